//! What stands in the man pages and completions of the packages.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test, each of them is a failure that is seen"
)]

use clap::Command;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

fn written() -> TempDir {
    let folder = TempDir::new().unwrap();
    let ran = std::process::Command::new(env!("CARGO_BIN_EXE_pages"))
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
    folder
}

fn read(folder: &TempDir, name: &str) -> String {
    let text = fs::read_to_string(folder.path().join(name));
    text.unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What a reader sees: without the escapes and fonts of the language of man pages.
fn seen(page: &str) -> String {
    let page = page.replace("\\-", "-").replace("\\*(Aq", "'");
    ["\\fB", "\\fR", "\\fI", "\\&"]
        .iter()
        .fold(page, |page, escape| page.replace(escape, ""))
}

/// Each command that `slotctl help` lists, with those below it.
fn listed(command: &Command, each: &mut dyn FnMut(&Command)) {
    for below in command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
    {
        each(below);
        listed(below, each);
    }
}

fn program() -> Command {
    let mut program = slotctl::command_line().disable_help_subcommand(true);
    program.build();
    program
}

#[test]
fn each_command_has_a_page_that_names_each_of_its_options() {
    let folder = written();
    let mut pages = vec!["slotctl.1".to_owned(), "slotctl.toml.5".to_owned()];
    listed(&program(), &mut |command| {
        let name = format!("{}.1", command.get_display_name().unwrap());
        let page = seen(&read(&folder, &name));
        for option in command
            .get_arguments()
            .filter_map(|option| option.get_long())
        {
            assert!(page.contains(&format!("--{option}")), "{name}: --{option}");
        }
        pages.push(name);
    });
    let there = fs::read_dir(folder.path()).unwrap();
    let mut there: Vec<_> = there
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| {
            Path::new(name)
                .extension()
                .is_some_and(|kind| kind == "1" || kind == "5")
        })
        .collect();
    there.sort();
    pages.sort();
    assert_eq!(there, pages);
}

#[test]
fn each_shell_completes_each_command() {
    let folder = written();
    let completions = ["slotctl.bash", "_slotctl", "slotctl.fish"].map(|name| read(&folder, name));
    listed(&program(), &mut |command| {
        for completion in &completions {
            assert!(completion.contains(command.get_name()), "{command:?}");
        }
    });
    let bash = folder.path().join("slotctl.bash");
    let asked = ". \"$0\"; COMP_WORDS=(slotctl next) COMP_CWORD=1
        _slotctl slotctl next slotctl; echo \"${COMPREPLY[@]}\"";
    let mut shell = std::process::Command::new("bash");
    let ran = shell.args(["-c", asked]).arg(&bash).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&ran.stdout),
        "next-boot\n",
        "{ran:?}"
    );
}

/// The chapter itself names each key that is read: the tests of `config` see to that.
#[test]
fn each_row_of_the_chapter_on_configuration_is_in_its_page() {
    let page = seen(&read(&written(), "slotctl.toml.5"));
    let reference = include_str!("../../../docs/reference.md");
    let (_, chapter) = reference.split_once("\n## Configuration\n").unwrap();
    let (chapter, _) = chapter.split_once("\n## ").unwrap();
    let lines: Vec<_> = chapter.lines().collect();
    let is_head = |lines: &&[&str]| lines.iter().any(|line| line.starts_with("|---"));
    let rows = lines.windows(2).filter(|lines| !is_head(lines));
    let rows = rows.filter_map(|lines| lines.first()?.strip_prefix("| "));
    let mut known = 0;
    for row in rows {
        let (tag, _) = row.split_once(" | ").unwrap();
        let tag = tag.replace('`', "");
        assert!(
            page.contains(&format!("\n.TP\n{tag}\n")),
            "{tag} in\n{page}"
        );
        known += 1;
    }
    assert!(known > 10, "{known} rows");
    for words in ["default: 60s\n", "whole seconds, 1s to 65535s"] {
        assert!(page.contains(words), "{words} in\n{page}");
    }
}

#[test]
fn the_page_of_the_program_has_exit_statuses_files_and_environment() {
    let page = seen(&read(&written(), "slotctl.1"));
    for words in [
        ".SH \"EXIT STATUS\"\n",
        ".TP\n3\nrefused, with the reason\n.br\nfor example: for another controller",
        ".TP\n/etc/slotctl/slotctl.toml\n",
        "SOURCE_DATE_EPOCH",
    ] {
        assert!(page.contains(words), "{words} in\n{page}");
    }
}

#[test]
fn the_same_is_written_each_time() {
    let (first, second) = (written(), written());
    for file in fs::read_dir(first.path()).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert_eq!(read(&first, &name), read(&second, &name), "{name}");
    }
}
