//! The programs that slotctl is made of: `slotctl NOUN …` runs `slotctl-NOUN`, as git
//! and cargo do, and gives it its own version and the options that stand before the
//! noun.

use crate::options::GlobalOptions;
use controller::code::Code;
use controller::error::{Error, Result};
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// Where a sibling lies that is not beside the program that runs it.
const LIBRARY: &str = "/usr/lib/slotctl";
/// The option by which a sibling is told the version of what runs it.
const CALLED_BY: &str = "--called-by";
/// The version of all programs of slotctl that belong together.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Becomes the sibling for a noun; comes back only with the reason why it did not.
pub fn run(noun: &str, global: &GlobalOptions, arguments: &[OsString]) -> Error {
    let name = format!("slotctl-{noun}");
    let own = std::env::current_exe().ok();
    let beside = own.as_deref().and_then(Path::parent);
    let mut broken = None;
    for folder in beside.into_iter().chain([Path::new(LIBRARY)]) {
        let path = folder.join(&name);
        let error = Command::new(&path)
            .args([CALLED_BY, VERSION])
            .args(global.arguments())
            .args(arguments)
            .exec();
        if path.symlink_metadata().is_ok() {
            broken.get_or_insert((path, error));
        }
    }
    if let Some((path, error)) = broken {
        return Error::io(format_args!("running {}", path.display()), &error)
            .advice(format!("install the package {name} again"))
            .changed("nothing was done");
    }
    let found = format!("the program {name} is not installed");
    Error::new(Code::NoProgram, found)
        .expected(format!("it lies beside slotctl or in {LIBRARY}"))
        .advice(format!("install the package {name}"))
        .changed("nothing was done")
}

/// What a sibling was called with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// The options that each command takes.
    pub global: GlobalOptions,
    /// The arguments that are left: the sibling's own.
    pub arguments: Vec<OsString>,
    caller: Option<OsString>,
}

impl Call {
    /// Reads the arguments behind the name of the program, up to the first that is none
    /// of the options that each command takes.
    #[must_use]
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Call {
        let mut call = Call::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let global = &mut call.global;
            match argument.to_str() {
                Some(option @ (CALLED_BY | "--disk" | "--config")) => match arguments.next() {
                    Some(value) if option == CALLED_BY => call.caller = Some(value),
                    Some(value) if option == "--disk" => global.disk = Some(value.into()),
                    Some(value) => global.config = Some(value.into()),
                    None => call.arguments.push(argument),
                },
                Some("--json") => global.json = true,
                Some("-q" | "--quiet") => global.quiet = true,
                Some("-v" | "--verbose") => global.verbose = true,
                _ => {
                    call.arguments.push(argument);
                    call.arguments.extend(arguments);
                    break;
                }
            }
        }
        call
    }

    /// Whether a program of the same version called, or a person.
    ///
    /// # Errors
    /// Refused for any other version: what it means is not known here.
    pub fn check_caller(&self, name: &str) -> Result<()> {
        match self.caller.as_deref() {
            Some(version) if version != OsStr::new(VERSION) => {
                let found = format!("slotctl {} called {name} {VERSION}", version.display());
                Err(Error::new(Code::OtherVersion, found)
                    .expected("both are of one version")
                    .advice(format!("install slotctl and {name} from the same build"))
                    .changed("nothing was done"))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use controller::code::Exit;

    fn read(arguments: &[&str]) -> Call {
        Call::read(arguments.iter().map(OsString::from))
    }

    #[test]
    fn a_sibling_reads_what_it_is_given() {
        let global = GlobalOptions {
            disk: Some("a disk".into()),
            config: Some("--odd".into()),
            json: true,
            quiet: true,
            verbose: true,
        };
        let own = ["now".into(), "--json".into()];
        let call = Call::read(global.arguments().into_iter().chain(own.clone()));
        assert_eq!(call.global, global);
        assert_eq!(call.arguments, own);
        assert!(call.check_caller("slotctl-x").is_ok());
    }

    #[test]
    fn an_option_without_its_value_is_left_as_an_argument_that_nobody_knows() {
        for option in [CALLED_BY, "--disk", "--config"] {
            assert_eq!(read(&["--json", option]).arguments, [option]);
        }
    }

    #[test]
    fn a_caller_of_another_version_is_refused() {
        assert!(
            read(&[CALLED_BY, VERSION])
                .check_caller("slotctl-x")
                .is_ok()
        );
        let error = read(&[CALLED_BY, "0.0.0"]).check_caller("slotctl-x");
        assert_eq!(error.unwrap_err().exit(), Exit::Refused);
    }
}
