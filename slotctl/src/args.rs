//! The words of the command line: the contract.

use bootshim::record::{MAX_TRIES, SlotId};
use clap::{Args as ClapArgs, Parser, Subcommand};
use controller::size::Size;
use std::ffi::OsString;
use std::path::PathBuf;
use talk::sibling::Everywhere;

/// Installs signed OS images into the slot that is not in use, and says what
/// boots next.
#[derive(Debug, Parser)]
#[command(name = "slotctl", version, arg_required_else_help = true)]
pub struct Args {
    /// Block device or disk image file; by default the disk that this
    /// controller booted from
    #[arg(long, global = true, help_heading = "Everywhere", value_name = "D")]
    pub disk: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub json: bool,
    /// Configuration file [default: /etc/slotctl/slotctl.toml]
    #[arg(long, global = true, help_heading = "Everywhere", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Say nothing but errors
    #[arg(
        short,
        long,
        global = true,
        help_heading = "Everywhere",
        conflicts_with = "verbose"
    )]
    pub quiet: bool,
    /// Say more
    #[arg(short, long, global = true, help_heading = "Everywhere")]
    pub verbose: bool,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

impl Args {
    /// The options that each command takes.
    pub fn everywhere(&self) -> Everywhere {
        Everywhere {
            disk: self.disk.clone(),
            config: self.config.clone(),
            json: self.json,
            quiet: self.quiet,
            verbose: self.verbose,
        }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make and look at keys
    #[command(subcommand)]
    Key(Key),
    /// Build, sign and look at images
    #[command(subcommand)]
    Image(Image),
    /// Prepare bootshim
    #[command(subcommand)]
    Bootshim(Bootshim),
    /// Make and look at disks
    #[command(subcommand)]
    Disk(Disk),
    /// Install an image into a slot that is not in use
    Install(Install),
    /// Slots, versions, states, what runs and what boots next
    Status,
    /// What bootshim would start, and why every other slot is passed over
    NextBoot {
        /// Also commit what bootshim would commit (for disk images)
        #[arg(long)]
        arm: bool,
    },
    /// Make a slot the trial
    Activate(Activate),
    /// Go back to the highest good slot other than the running one
    Rollback {
        /// Restart when something was changed
        #[arg(long)]
        reboot: bool,
    },
    /// The running trial is good
    Confirm,
    /// The running trial is bad
    Reject {
        /// Why, in words
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Read slots back and check every byte against the signed manifest
    Verify {
        /// Which slots; by default all that hold an image
        #[arg(value_name = "S")]
        slots: Vec<Slot>,
    },
    /// Pet the watchdog and check production, as a service
    Watch,
    /// What happened here
    Log,
    /// What a code means, and what to do
    Explain {
        /// The word in `error.code`; without it, a line for each
        #[arg(value_name = "CODE")]
        code: Option<String>,
    },
    /// Open the root of the slot that was started, for hooks in an initramfs
    #[command(hide = true)]
    OpenRoot,
}

/// Keys.
#[derive(Debug, Subcommand)]
pub enum Key {
    /// Make NAME.key and NAME.pub
    Generate {
        /// Path without ending
        #[arg(long, value_name = "NAME")]
        out: PathBuf,
    },
    /// The id and kind of a key, or what a key set says
    Show {
        /// A key in PEM, or a key set
        file: PathBuf,
    },
    /// Make and sign key sets
    #[command(subcommand)]
    Set(KeySet),
}

/// Key sets.
#[derive(Debug, Subcommand)]
pub enum KeySet {
    /// Make a key set, and sign it with each root key
    Create(CreateSet),
    /// The exact bytes to be signed, on standard output
    Tbs {
        /// The key set
        file: PathBuf,
    },
    /// Sign a key set here, or attach a signature made elsewhere
    Sign(Sign),
}

/// What a key set is made of.
#[derive(Debug, ClapArgs)]
pub struct CreateSet {
    /// Higher than that of every key set before
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub epoch: u64,
    /// How many release keys must sign an image
    #[arg(long, value_name = "M", allow_negative_numbers = true)]
    pub threshold: u32,
    /// Release keys
    #[arg(long, value_name = "PUB", num_args = 1.., required = true)]
    pub release: Vec<PathBuf>,
    /// Sign with these root keys
    #[arg(long, value_name = "K", num_args = 1..)]
    pub root: Vec<PathBuf>,
    /// The key set
    #[arg(long, value_name = "F.keyset")]
    pub out: PathBuf,
}

/// Root keys.
#[derive(Debug, ClapArgs)]
pub struct Roots {
    /// Root keys: they sign key sets, whose release keys sign images
    #[arg(long, value_name = "PUB", num_args = 1.., conflicts_with = "trust")]
    pub roots: Vec<PathBuf>,
    /// How many root keys must sign a key set [default: 1]
    #[arg(
        long,
        value_name = "N",
        requires = "roots",
        allow_negative_numbers = true
    )]
    pub root_threshold: Option<u32>,
}

/// Images.
#[derive(Debug, Subcommand)]
pub enum Image {
    /// Build an image, and sign it with each key
    Build(Build),
    /// The exact bytes to be signed, on standard output
    Tbs {
        /// The image
        file: PathBuf,
    },
    /// Build an image that needs another's content on the controller
    Delta(Delta),
    /// Sign an image here, or attach a signature made elsewhere
    Sign(Sign),
    /// Manifest, sizes and signatures, without needing a key
    Show {
        /// The image
        file: PathBuf,
    },
    /// Check signature, index and every chunk
    Verify {
        /// The image
        file: PathBuf,
        /// Trusted public keys; by default those of the disk's bootshim
        #[arg(long, value_name = "PUB", num_args = 1..)]
        trust: Vec<PathBuf>,
        #[command(flatten)]
        roots: Roots,
    },
}

/// What a delta is built from.
#[derive(Debug, ClapArgs)]
pub struct Delta {
    /// Image whose content is on the controller
    #[arg(long, value_name = "OLD")]
    pub from: PathBuf,
    /// Image that the controller gets
    #[arg(long, value_name = "NEW")]
    pub to: PathBuf,
    /// Secret key to sign with; repeat it for more
    #[arg(long, value_name = "K")]
    pub key: Vec<PathBuf>,
    /// The delta
    #[arg(long, value_name = "F")]
    pub out: PathBuf,
}

/// What an image is built from.
#[derive(Debug, ClapArgs)]
pub struct Build {
    /// Root filesystem
    #[arg(long, value_name = "F")]
    pub rootfs: PathBuf,
    /// Kernel with an EFI stub
    #[arg(long, value_name = "F", required_unless_present = "uki")]
    pub kernel: Option<PathBuf>,
    /// Initial RAM filesystem
    #[arg(long, value_name = "F")]
    pub initrd: Option<PathBuf>,
    /// Kernel and initial RAM filesystem in one program, without a command line
    #[arg(long, value_name = "F", conflicts_with_all = ["kernel", "initrd"])]
    pub uki: Option<PathBuf>,
    /// bootshim with the trusted keys in, that starts this image on trial and
    /// replaces the one on the ESP once the image is good
    #[arg(long, value_name = "EFI")]
    pub bootshim: Option<PathBuf>,
    /// Kernel command line; {slot} becomes the PARTUUID of the slot
    #[arg(long, value_name = "S")]
    pub cmdline: String,
    /// For which controllers
    #[arg(long, value_name = "S")]
    pub compatible: String,
    /// Version, in the order of dpkg
    #[arg(long, value_name = "V")]
    pub version: String,
    /// Below the floor of a controller, an image is refused there
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    pub security_version: u64,
    /// Once this image is good, nothing with a security version below this boots
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    pub revoke_below: u64,
    /// The image pets the hardware watchdog from its first act on
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    pub watchdog: Option<u32>,
    /// Sign with this key
    #[arg(long, value_name = "F")]
    pub key: Vec<PathBuf>,
    /// The key set under which the image is signed
    #[arg(long, value_name = "F.keyset")]
    pub key_set: Option<PathBuf>,
    /// The image
    #[arg(long, value_name = "F.slotimg")]
    pub out: PathBuf,
}

/// How an image, or a key set, is signed.
#[derive(Debug, ClapArgs)]
pub struct Sign {
    /// What is signed
    pub file: PathBuf,
    /// Sign with this key
    #[arg(long, value_name = "K", required_unless_present = "signature")]
    pub key: Option<PathBuf>,
    /// Attach this signature, 64 bytes
    #[arg(long, value_name = "SIG", requires = "public", conflicts_with = "key")]
    pub signature: Option<PathBuf>,
    /// The public key that the signature is by
    #[arg(
        long,
        value_name = "PUB",
        requires = "signature",
        conflicts_with = "key"
    )]
    pub public: Option<PathBuf>,
}

/// bootshim.
#[derive(Debug, Subcommand)]
pub enum Bootshim {
    /// Put the trusted keys into bootshim, before it is signed for Secure Boot
    Trust {
        /// bootshim as it was built
        input: PathBuf,
        /// Trusted public keys
        #[arg(long, value_name = "PUB", num_args = 1.., required_unless_present = "roots")]
        trust: Vec<PathBuf>,
        #[command(flatten)]
        roots: Roots,
        /// bootshim with the keys
        #[arg(long, value_name = "EFI")]
        out: PathBuf,
    },
}

/// Disks.
#[derive(Debug, Subcommand)]
pub enum Disk {
    /// Make a complete, bootable disk image
    Create(Box<Create>),
    /// Partitions, slots and the copies of the boot record
    Show,
}

/// What a disk is made of.
#[derive(Debug, ClapArgs)]
pub struct Create {
    /// The disk image to make
    pub file: PathBuf,
    /// Its size
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    pub size: Size,
    /// bootshim
    #[arg(long, value_name = "EFI")]
    pub bootshim: PathBuf,
    /// Trusted public keys, put into bootshim
    #[arg(long, value_name = "PUB", num_args = 1..)]
    pub trust: Vec<PathBuf>,
    #[command(flatten)]
    pub roots: Roots,
    /// For which images
    #[arg(long, value_name = "S")]
    pub compatible: Option<String>,
    /// Bytes of a sector
    #[arg(long, value_name = "512|4096", default_value = "512", value_parser = sector)]
    pub sector_size: u32,
    /// Number of slots
    #[arg(long, value_name = "N", default_value_t = 3, allow_negative_numbers = true,
          value_parser = clap::value_parser!(u8).range(2..=8))]
    pub slots: u8,
    /// Size of each slot; by default they share what is left
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    pub slot_size: Option<Size>,
    /// Size of the EFI system partition [default: 16MiB]
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    pub esp_size: Option<Size>,
    /// Size of the data partition [default: a tenth]
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    pub data_size: Option<Size>,
    /// All GUIDs and FAT ids derive from it
    #[arg(long, value_name = "UUID")]
    pub seed: Option<String>,
    /// Install this image in slot a, as good
    #[arg(long, value_name = "IMG")]
    pub image: Option<PathBuf>,
}

/// What is installed.
#[derive(Debug, ClapArgs)]
pub struct Install {
    /// A file, - for standard input, or an https:// or http:// address
    pub source: OsString,
    /// Write this slot instead of the one that is chosen
    #[arg(long, value_name = "S")]
    pub slot: Option<Slot>,
    /// Tries of the trial; by default those of the boot record, 3
    #[arg(long, value_name = "N", value_parser = tries(), allow_negative_numbers = true)]
    pub tries: Option<u8>,
    /// Install and do not make it the trial
    #[arg(long, conflicts_with = "reboot")]
    pub no_activate: bool,
    /// Install an image again that failed here
    #[arg(long)]
    pub retry: bool,
    /// Install an image although it is older than what runs
    #[arg(long)]
    pub allow_downgrade: bool,
    /// Trusted public keys; by default those of the disk's bootshim
    #[arg(long, value_name = "PUB", num_args = 1..)]
    pub trust: Vec<PathBuf>,
    /// Check everything, write nothing
    #[arg(long, conflicts_with = "reboot")]
    pub dry_run: bool,
    /// Fetch at most so much a second, such as 500KiB or 2MiB
    #[arg(long, value_name = "RATE", value_parser = rate, allow_negative_numbers = true)]
    pub limit_rate: Option<Size>,
    /// Restart when something was changed
    #[arg(long)]
    pub reboot: bool,
}

/// What is activated.
#[derive(Debug, ClapArgs)]
pub struct Activate {
    /// The slot
    #[arg(value_name = "S")]
    pub slot: Slot,
    /// For the next start only
    #[arg(long, conflicts_with = "tries")]
    pub once: bool,
    /// Tries of the trial; by default those of the boot record, 3
    #[arg(long, value_name = "N", value_parser = tries(), allow_negative_numbers = true)]
    pub tries: Option<u8>,
    /// Restart when something was changed
    #[arg(long)]
    pub reboot: bool,
}

/// The name of a slot.
#[derive(Clone, Copy, Debug)]
pub struct Slot(pub SlotId);

impl std::str::FromStr for Slot {
    type Err = String;

    fn from_str(text: &str) -> Result<Slot, String> {
        let slot = text
            .parse()
            .map_err(|_| "slots are named a to h".to_owned())?;
        Ok(Slot(slot))
    }
}

fn tries() -> impl clap::builder::TypedValueParser<Value = u8> {
    clap::value_parser!(u8).range(1..=i64::from(MAX_TRIES))
}

/// What a watchdog can be set to.
fn seconds(text: &str) -> Result<u32, String> {
    controller::duration::parse(text)
        .filter(|duration| duration.subsec_nanos() == 0)
        .and_then(|duration| u32::try_from(duration.as_secs()).ok())
        .filter(|seconds| *seconds > 0)
        .ok_or_else(|| {
            format!(
                "expected whole seconds as {}",
                controller::duration::EXPECTED
            )
        })
}

/// As curl has it, but nothing at all would be no limit and no download either.
fn rate(text: &str) -> Result<Size, String> {
    let size: Size = text.parse().map_err(|error| format!("{error}"))?;
    match size {
        Size(0) => Err("expected more than nothing a second".to_owned()),
        size => Ok(size),
    }
}

fn sector(text: &str) -> Result<u32, String> {
    match text {
        "512" => Ok(512),
        "4096" => Ok(4096),
        _ => Err("a sector has 512 or 4096 bytes".to_owned()),
    }
}
