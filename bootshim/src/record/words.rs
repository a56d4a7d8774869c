//! Values of one byte in the boot record: why a start failed, how far it came, what kind
//! it was. Later minors may add values; one that is unknown is kept.

use core::fmt;

/// An enumeration of one byte in which later minors may add values: what this
/// code does not know is kept and written back.
macro_rules! open_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$vdoc])* $variant,)*
            /// A value from a later minor.
            Other(u8),
        }

        impl $name {
            /// Its byte on disk.
            pub fn code(self) -> u8 {
                match self {
                    $($name::$variant => $code,)*
                    $name::Other(code) => code,
                }
            }

            /// The value of a byte on disk.
            pub fn from_code(code: u8) -> $name {
                match code {
                    $($code => $name::$variant,)*
                    code => $name::Other(code),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $($name::$variant => f.write_str($text),)*
                    $name::Other(code) => write!(f, "code {code}"),
                }
            }
        }
    };
}

open_enum! {
    /// Why a slot is bad, or was passed over.
    Reason {
        /// Nothing is known against it.
        None = 0, "none";
        /// Its tries were used up, and nothing in it said why.
        Exhausted = 1, "tries used up";
        /// It was started three times its tries and never confirmed.
        Unconfirmed = 2, "never confirmed";
        /// A person or a check rejected it.
        Rejected = 3, "rejected";
        /// Its checks had not passed when the deadline came.
        Deadline = 4, "deadline passed";
        /// Its manifest is not signed by a trusted key, or is none.
        NotAuthentic = 5, "not authentic";
        /// Bytes of it are not what its manifest says.
        Damaged = 6, "damaged";
        /// Its manifest is not the one that was installed.
        WrongManifest = 7, "another manifest than installed";
        /// Its security version is below the floor.
        BelowFloor = 8, "below the floor";
        /// The firmware did not start its kernel, or the kernel came back.
        NotStarted = 9, "kernel did not start";
        /// The device did not give its bytes.
        Unreadable = 10, "unreadable";
        /// The watchdog ended its starts, again and again.
        Watchdog = 11, "the watchdog reset it again and again";
        /// It was started again and again, and its system never said that it is up.
        NeverUp = 12, "it never came up, again and again";
        /// What it keeps on the data partition could not be made ready for it.
        NoState = 13, "its state was not ready";
    }
}

impl Reason {
    /// Whether a good slot was left for another one because its starts ended too
    /// soon: nothing is wrong with its bytes.
    pub fn is_left(self) -> bool {
        matches!(self, Reason::Watchdog | Reason::NeverUp)
    }
}

open_enum! {
    /// How far a start had come when it failed.
    Stage {
        /// Nothing is known.
        None = 0, "unknown";
        /// bootshim read and verified it.
        Verify = 1, "verifying";
        /// The firmware took the kernel.
        Load = 2, "loading the kernel";
        /// The kernel was started; it never said more.
        Started = 3, "kernel started";
        /// `slotctl watch` was running its checks.
        Watch = 4, "checks running";
    }
}

open_enum! {
    /// How the armed slot was started.
    Arming {
        /// No slot is armed.
        None = 0, "not armed";
        /// As a one-shot.
        Once = 1, "once";
        /// As the trial.
        Trial = 2, "trial";
        /// Because nothing good started.
        LastResort = 3, "last resort";
    }
}
