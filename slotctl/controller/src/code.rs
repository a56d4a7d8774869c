//! The codes by which scripts know what went wrong: each with its exit status, what it
//! means, and what to do. `slotctl explain` prints this table, and the reference has it.

use std::fmt;

/// Exit status of a command that failed; stable.
/// (One that a signal ended has 128 and the signal: that is the shell's doing.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Something that should not happen.
    Unexpected = 1,
    /// Wrong use, an unknown slot or file.
    Usage = 2,
    /// Refused: unsafe, wrong machine.
    Refused = 3,
    /// Not authentic, not intact, not an image, unknown format.
    NotAuthentic = 4,
    /// Input or output failed, no permission, no space.
    Io = 5,
    /// The network failed.
    Network = 6,
    /// Somebody else is at it; try again.
    Busy = 7,
}

impl Exit {
    /// The number that the process ends with.
    pub fn status(self) -> u8 {
        self as u8
    }
}

/// A row for each code: exit status, word, meaning, what to do.
macro_rules! codes {
    ($($name:ident: $exit:ident $word:literal, $meaning:literal, $advice:literal;)*) => {
        /// What went wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code {
            $(#[doc = $meaning] $name,)*
        }

        impl Code {
            /// All of them, in the order of their exit statuses.
            pub const ALL: &[Code] = &[$(Code::$name),*];

            /// The status that a command ends with.
            pub fn exit(self) -> Exit {
                match self { $(Code::$name => Exit::$exit,)* }
            }

            /// The word in JSON; stable.
            pub fn word(self) -> &'static str {
                match self { $(Code::$name => $word,)* }
            }

            /// What it means.
            pub fn meaning(self) -> &'static str {
                match self { $(Code::$name => $meaning,)* }
            }

            /// What to do.
            pub fn advice(self) -> &'static str {
                match self { $(Code::$name => $advice,)* }
            }
        }
    };
}

codes! {
    Internal: Unexpected "internal",
        "Something happened that should not be possible.",
        "Report it, with the whole message and `slotctl log`.";
    NoRandomness: Unexpected "no-randomness",
        "The operating system gave no random bytes.",
        "Try again; on a small system, once it has started up.";
    NoRestart: Unexpected "no-restart",
        "The machine was to restart, and a program holds that up, or the command for it failed.",
        "Restart it by hand: what was asked for is on the disk.";

    Usage: Usage "usage",
        "The command line is wrong, or a value in it.",
        "`slotctl help COMMAND` says what the command takes.";
    NotFound: Usage "not-found",
        "A file, device or address is not there.",
        "Check the name.";
    NotAFile: Usage "not-a-file",
        "What was named is a folder, a link to nothing, or something else that is no file.",
        "Name a file.";
    NotADisk: Usage "not-a-disk",
        "What was named is neither a block device nor a disk image.",
        "Name a whole disk, or the file of a disk image.";
    NotBooted: Usage "not-booted",
        "This system was not started by bootshim, so no disk is its own.",
        "Name a disk with --disk.";
    UnknownSlot: Usage "unknown-slot",
        "The disk has no slot of this name.",
        "`slotctl status` lists the slots.";
    NoSlotNode: Usage "no-slot-node",
        "The disk is a file, and a slot of it has no device that could be opened.",
        "Use the block device, or attach the file with `losetup -P`.";
    NoProgram: Usage "no-program",
        "A program that this command consists of is not installed.",
        "Install the package that the message names.";
    BootshimWithoutKeys: Usage "no-trusted-keys",
        "A bootshim that goes into an image trusts no key, and would start nothing.",
        "Put keys into it with `slotctl bootshim trust`.";
    NotBuilt: Usage "not-built",
        "An image cannot be built from what was given.",
        "The message says which file or value is wrong.";
    TooManyKeys: Usage "too-many-keys",
        "bootshim has no room for so many keys.",
        "Name fewer keys, or use a key set.";
    BadThreshold: Usage "bad-threshold",
        "More signatures are demanded than there are keys, or none.",
        "Demand at least one and at most as many as there are keys.";
    BadKeySet: Usage "bad-key-set",
        "A key set cannot be made of what was given.",
        "The message says which value is wrong.";
    BadOrder: Usage "bad-order",
        "An order cannot be made of what was given, or not be signed.",
        "The message says which value is wrong.";
    BadAddress: Usage "bad-address",
        "This is no address of the web that slotctl can use.",
        "Give an http or https address as RFC 3986 has it.";
    BadProxy: Usage "bad-proxy",
        "The address of the proxy is wrong.",
        "Correct the environment variable that the message names.";
    BadCa: Usage "bad-ca",
        "The file of certificate authorities has no certificate in it.",
        "Name a file with certificates in PEM (`[source] ca` in slotctl.toml).";
    BadConfig: Usage "bad-config",
        "The configuration file is wrong.",
        "Correct the line that the message names.";
    BadCompatible: Usage "bad-compatible",
        "The name of the machine is too long or has characters that it may not have.",
        "Use 1 to 128 bytes without control characters.";
    BadSize: Usage "bad-size",
        "A size or a number of slots cannot be had.",
        "The message says what the limits are.";
    BadSeed: Usage "bad-seed",
        "The seed is no UUID.",
        "Make one with `uuidgen`.";
    BadDate: Usage "bad-date",
        "SOURCE_DATE_EPOCH is no number of seconds since 1970.",
        "Set it to at most 4294967295, or not at all.";

    WrongState: Refused "wrong-state",
        "A slot in this state cannot be what was asked for.",
        "`slotctl status` says how the slots stand.";
    NotInstalled: Refused "not-installed",
        "The slot holds no image.",
        "Install one, or name another slot.";
    NoFreeSlot: Refused "no-free-slot",
        "Every slot runs, is on trial, or is the only good one.",
        "Confirm or reject the trial first.";
    ProtectedSlot: Refused "protected-slot",
        "The slot runs, or is the only good one, and is not written.",
        "Name another slot, or none.";
    NotOnTrial: Refused "not-on-trial",
        "What runs is not on trial, so there is nothing to confirm or reject.",
        "`slotctl status` says what runs and as what.";
    OtherImage: Refused "other-image",
        "The slot holds another image by now than the one that runs.",
        "Restart, and look at `slotctl status` again.";
    NoOtherGood: Refused "no-other-good",
        "No slot but the running one is good.",
        "Install the image that is wanted.";
    Rejected: Refused "rejected",
        "A person rejected this image, so checks do not make it good again.",
        "`slotctl confirm` by a person takes that back.";
    FailedBefore: Refused "failed-before",
        "This very image failed here before.",
        "`slotctl status` says why; --retry installs it again.";
    Downgrade: Refused "downgrade",
        "The image is older than what is good on this disk.",
        "`slotctl rollback` goes back; --allow-downgrade installs it all the same.";
    BelowFloor: Refused "below-floor",
        "The image, or its key set, is below the floor, or revoked: bootshim would not start it.",
        "Build and sign a newer one.";
    WrongCompatible: Refused "wrong-compatible",
        "The image is made for another kind of machine.",
        "Take the image for this one.";
    WrongProcessor: Refused "wrong-processor",
        "The kernel is for another processor.",
        "Take the image for this one.";
    RecordFormat: Refused "record-format",
        "The software in the image cannot read the boot record of this disk.",
        "Build it with a slotctl for this format.";
    OldKeySet: Refused "old-key-set",
        "The image was signed under a key set that a good slot has replaced.",
        "Sign it under the newer key set.";
    OldBootshim: Refused "old-bootshim",
        "The image needs a newer bootshim than the one on this disk, which would not start it.",
        "First install an image that brings a newer bootshim.";
    MissingBase: Refused "missing-base",
        "No slot holds the image that the delta is made against.",
        "Install the full image.";
    NoDelta: Refused "no-delta",
        "Between these two there is no delta: one is a delta itself, or for another machine.",
        "Make the delta between two full images for one machine.";
    NoTree: Refused "no-tree",
        "The image has no verity tree, so its root cannot be verified as it is read.",
        "Build it with this slotctl, or mount its root by PARTUUID.";
    SlotTooSmall: Refused "slot-too-small",
        "The image does not fit into the slot.",
        "Make disks with larger slots, or a smaller image.";
    DoesNotFit: Refused "does-not-fit",
        "The partitions do not fit on a disk of this size.",
        "Make the disk larger, or slots and data smaller.";
    EspTooSmall: Refused "esp-too-small",
        "bootshim does not fit on the ESP.",
        "Make it larger with --esp-size.";
    NoSparePlace: Refused "no-spare-place",
        "The ESP has no second place for a bootshim, so that one cannot be replaced safely.",
        "Make the disk with this `slotctl disk create`.";
    BootshimNotRenewed: Refused "bootshim-not-renewed",
        "The bootshim of the image was not put on the ESP; the one before still starts.",
        "The message says why; once that is mended, `slotctl confirm` tries again.";
    AlreadySigned: Refused "already-signed",
        "The bootshim is signed for Secure Boot, and new keys would break the signature.",
        "Put the keys in first, and sign it then.";
    Exists: Refused "exists",
        "There is a file of this name already, and it is not overwritten.",
        "Remove it, or choose another name.";
    InUse: Refused "in-use",
        "Something else has the device, or a partition of it.",
        "Unmount or detach it, and try again.";
    Mounted: Refused "mounted",
        "The partition is mounted.",
        "Unmount it, and try again.";
    NotRunning: Refused "not-running",
        "This machine does not run from that disk, so restarting it would do nothing for it.",
        "Leave --reboot out.";
    RunningDisk: Refused "running-disk",
        "This controller runs from that disk, where only a real start may cost a try.",
        "Use it on a disk image.";
    TwoDisks: Refused "two-disks",
        "Two disks have the same GUIDs, so it cannot be told which one is meant.",
        "Unplug one of them, or name the disk with --disk.";
    StaleTable: Refused "stale-table",
        "The kernel has another partition table in mind than the one on the disk.",
        "Have it read the table again (`partprobe`).";
    BeyondDisk: Refused "beyond-disk",
        "A partition ends behind the end that the device has here.",
        "Have the firmware show the whole disk.";
    ChangedUnderneath: Refused "changed-underneath",
        "The server gave two different images during one install.",
        "Run the same command again: what came is kept.";
    UnsupportedCheck: Refused "unsupported-check",
        "The configuration has a check of a kind that this slotctl cannot ask.",
        "Use another kind of check, or a newer slotctl.";
    OtherVersion: Refused "other-version",
        "The programs of slotctl are of different versions.",
        "Install them from the same build.";
    StateTooNew: Refused "state-too-new",
        "What lies on the data partition is of a later format than the image reads.",
        "Install an image that reads it.";

    NotAnImage: NotAuthentic "not-an-image",
        "This is no image of slotctl.",
        "Check the file, and how it came here.";
    UnknownFormat: NotAuthentic "unknown-format",
        "It has a format that this version does not know.",
        "Use the slotctl that wrote it, or a newer one.";
    Truncated: NotAuthentic "truncated",
        "The image ends early.",
        "Fetch it again.";
    NotIntact: NotAuthentic "not-intact",
        "Bytes are not the ones that were signed.",
        "Fetch or install the image again; where that does not help, suspect the device.";
    Unsigned: NotAuthentic "unsigned",
        "The image has no signature.",
        "Sign it with `slotctl image sign`.";
    NotTrusted: NotAuthentic "not-trusted",
        "None of its signatures is by a key that is trusted here.",
        "Sign it with a key that the disk's bootshim trusts.";
    TooFewSignatures: NotAuthentic "too-few-signatures",
        "Fewer keys have signed it than must.",
        "Add the missing signatures with `slotctl image sign`.";
    NoKeySet: NotAuthentic "no-key-set",
        "Only root keys are trusted here, and the image brings no key set.",
        "Build it with --key-set.";
    KeySetNotTrusted: NotAuthentic "key-set-not-trusted",
        "The image's key set is not signed by the root keys that are trusted here.",
        "Sign the key set with those root keys.";
    NotSigned: NotAuthentic "not-signed",
        "A signature could not be attached, because it is not one of these bytes by this key.",
        "Sign what `tbs` prints, with the key that is named.";
    NotASignature: NotAuthentic "not-a-signature",
        "The file holds no Ed25519 signature.",
        "It has 64 bytes, and nothing else.";
    NotAKey: NotAuthentic "not-a-key",
        "The file holds no key that slotctl can use.",
        "Keys are Ed25519, in PEM, as `slotctl key generate` makes them.";
    NotAKeySet: NotAuthentic "not-a-key-set",
        "The file holds no key set, or a damaged one.",
        "`slotctl key set create` makes one.";
    NotAnOrder: NotAuthentic "not-an-order",
        "The file holds no order, or a damaged one.",
        "`slotctl order create` makes one.";
    OrderNotTrusted: NotAuthentic "order-not-trusted",
        "No key that may give orders has signed it.",
        "Sign it with an order key, by `slotctl order sign`.";
    NoTrustedKeys: NotAuthentic "no-trusted-keys",
        "The bootshim of the disk trusts no key, so nothing could be started.",
        "Make the disk with `slotctl disk create --trust`.";
    NotBootshim: NotAuthentic "not-bootshim",
        "The program is no bootshim.",
        "`make bootshim` builds one.";
    NoBootshim: NotAuthentic "no-bootshim",
        "The ESP has no bootshim.",
        "Put one at EFI/BOOT, or make the disk anew.";
    NoEsp: NotAuthentic "no-esp",
        "There is no ESP that can be read.",
        "Make the disk anew, or mend its FAT filesystem.";
    DamagedEsp: NotAuthentic "damaged-esp",
        "A file of ours on the ESP is damaged.",
        "Mend the FAT filesystem, or make the disk anew.";
    NotGpt: NotAuthentic "not-gpt",
        "The disk has no GPT.",
        "Name the whole disk of a controller.";
    BadGpt: NotAuthentic "bad-gpt",
        "The partition table is damaged.",
        "The message says how to mend it.";
    NotAController: NotAuthentic "not-a-controller",
        "The disk has not the partitions of a controller.",
        "Name the disk of one; the message says what is missing.";
    RecordLost: NotAuthentic "record-lost",
        "No copy of the boot record is left.",
        "bootshim makes it anew at the next start; `slotctl next-boot --arm` does so on an image.";
    RecordMismatch: NotAuthentic "record-mismatch",
        "The boot record belongs to another disk.",
        "It was copied there: make the disk with `slotctl disk create`, or fill the partition with zeros.";
    RecordWornOut: NotAuthentic "record-worn-out",
        "The sequence numbers of the boot record are used up.",
        "Fill the partition bootrecord with zeros: bootshim makes the record anew.";
    BaseDamaged: NotAuthentic "base-damaged",
        "The slot that the delta is made against is damaged.",
        "`slotctl verify` it, and install the full image.";
    BadState: NotAuthentic "bad-state",
        "A file of slotctl on the data partition cannot be understood.",
        "Correct the file that the message names, or take it away.";

    Io: Io "io",
        "The operating system could not read or write.",
        "The message has its words. A device that fails again is to be replaced.";
    NoPermission: Io "no-permission",
        "The operating system does not permit it.",
        "Run it as root, or with the rights to this file.";
    NoSpace: Io "no-space",
        "There is no room left.",
        "Make room, and try again.";
    FileTooLarge: Io "file-too-large",
        "A file may not grow as large as this one has to.",
        "Raise `ulimit -f`, or use a filesystem that takes such files.";
    ReadOnly: Io "read-only",
        "The device or filesystem is write-protected.",
        "Remove the protection, and try again.";
    ReadBackDiffers: Io "read-back-differs",
        "What was written does not come back from the device.",
        "Replace the device: it does not keep what is written to it.";
    NotReadBack: Io "not-read-back",
        "The ESP does not give back what is on it.",
        "Replace the device; the bootshim before still starts.";
    Vanished: Io "vanished",
        "The disk is gone.",
        "Look at its cable, and into the kernel's log.";
    DiskLost: Io "disk-lost",
        "The disk that this controller booted from is gone.",
        "Look at its cable, and into the kernel's log.";
    NoPartitionNode: Io "no-partition-node",
        "The kernel has made no device for a partition.",
        "Have it read the table again (`partprobe`, `losetup -P`).";
    TooEarly: Io "too-early",
        "The disks have not all answered yet.",
        "Nothing: it is asked again.";

    Network: Network "network",
        "The network or the server failed.",
        "Try again: what came is kept.";
    BadCertificate: Network "bad-certificate",
        "The server's certificate is not trusted.",
        "Set this controller's clock, or name the authority in slotctl.toml (`[source] ca`).";

    Busy: Busy "busy",
        "Another command is at it.",
        "Try again when that has ended.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
