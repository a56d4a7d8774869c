//! What each command says, to a person and to a program, and the status it ends with:
//! word for word as in `slotctl/tests/golden/`. Scripts rely on it.
//!
//! Where it is meant to change, `GOLDEN=write cargo test -p slotctl --test files golden`
//! writes the files anew, and the difference is part of the change.

use crate::bench::Bench;
use bootshim::record::{Reason, SlotId, State};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// What is done, and nothing else: one command a line.
struct Script {
    name: &'static str,
    /// Puts the disk into the state that it begins with.
    begin: fn(&Bench),
    lines: &'static str,
}

const AS_IT_IS: fn(&Bench) = |_| {};

const SCRIPTS: &[Script] = &[
    Script {
        name: "help",
        begin: AS_IT_IS,
        lines: "\
            \n--help\nkey --help\nkey generate --help\nkey show --help\nkey set --help\
            \nkey set create --help\nkey set tbs --help\nkey set sign --help\nimage --help\
            \nimage build --help\nimage tbs --help\nimage sign --help\nimage show --help\
            \nimage verify --help\nimage delta --help\norder --help\norder create --help\
            \norder sign --help\norder show --help\nbootshim --help\nbootshim trust --help\
            \ndisk --help\ndisk create --help\ndisk show --help\ninstall --help\nstatus --help\
            \nnext-boot --help\nactivate --help\nrollback --help\nconfirm --help\nreject --help\
            \nverify --help\nwatch --help\nlog --help\nexplain --help\nopen-root --help\nhelp install\
            \n--version",
    },
    Script {
        name: "wrong-use",
        begin: AS_IT_IS,
        lines: "\
            nonsense\nstatsu\n--disk disk.img\n--disk missing.img status\n--disk ours.pub status\
            \n--disk . status\nstatus\nnext-boot\nconfirm\nreject --reason x\nrollback\
            \nactivate b\nverify\ninstall v2.slotimg\n--disk disk.img activate x\
            \n--disk disk.img activate z\n--disk disk.img verify q\n--disk disk.img install\
            \n--disk disk.img install missing.slotimg\n--disk disk.img install kernel\
            \n--disk disk.img install v2.slotimg --tries 0\n--disk disk.img status --tries 1\
            \n--disk disk.img -q -v status\nimage verify v1.slotimg\nimage show kernel\
            \nimage build --out x.slotimg\nkey show kernel\nkey generate --out ours\
            \nexplain nonsense\nexplain usage\ndisk shwo",
    },
    Script {
        name: "images",
        begin: AS_IT_IS,
        lines: "\
            image show v1.slotimg\nimage show unsigned.slotimg\nimage show strangers.slotimg\
            \nimage verify v1.slotimg --trust ours.pub\nimage verify unsigned.slotimg --trust ours.pub\
            \nimage verify strangers.slotimg --trust ours.pub\
            \nimage sign unsigned.slotimg --key ours.key\nimage verify unsigned.slotimg --trust ours.pub\
            \nimage delta --from v1.slotimg --to v2.slotimg --key ours.key --out d.slotimg\
            \nimage show d.slotimg\nimage delta --from d.slotimg --to v2.slotimg --out e.slotimg\
            \nimage build --rootfs root1 --kernel kernel --cmdline quiet --compatible plc-4 \
             --version 1 --key ours.key --out new.slotimg\
            \nkey show ours.pub\nkey show ours.key\nkey set create --epoch 1 --threshold 1 \
             --release ours.pub --root stranger.key --out set.keyset\nkey show set.keyset\
            \nkey set sign set.keyset --key stranger.key\nkey set sign set.keyset --key ours.key\
            \nkey generate --out fresh\
            \nbootshim trust BOOTX64.EFI --trust ours.pub --out trusting.efi",
    },
    Script {
        name: "life",
        begin: AS_IT_IS,
        lines: "\
            --disk disk.img disk show\n--disk disk.img status\n--disk disk.img next-boot\
            \n--disk disk.img verify\n--disk disk.img install v2.slotimg --dry-run\
            \n--disk disk.img install v2.slotimg\n--disk disk.img install v2.slotimg\
            \n--disk disk.img status\n--disk disk.img disk show\n--disk disk.img next-boot\
            \n--disk disk.img install v3.slotimg\n--disk disk.img activate a\
            \n--disk disk.img next-boot --arm\n--disk disk.img next-boot --arm\
            \n--disk disk.img next-boot --arm\n--disk disk.img next-boot --arm\
            \n--disk disk.img status\n--disk disk.img install v2.slotimg\
            \n--disk disk.img install v2.slotimg --retry --tries 2\n--disk disk.img verify a b\
            \n--disk disk.img rollback\n--disk disk.img activate a --once\n--disk disk.img status\
            \n--disk disk.img confirm\n--disk disk.img reject --reason broken\
            \n--disk disk.img install v2.slotimg --reboot",
    },
    Script {
        name: "refused",
        begin: AS_IT_IS,
        lines: "\
            --disk disk.img install unsigned.slotimg\n--disk disk.img install strangers.slotimg\
            \n--disk disk.img install for-plc-5.slotimg\n--disk disk.img install insecure.slotimg\
            \n--disk disk.img install large.slotimg\n--disk disk.img install v2.slotimg --slot a\
            \n--disk disk.img install v2.slotimg --slot z\n--disk disk.img activate b\
            \n--disk disk.img rollback\n--disk disk.img verify b\
            \n--disk disk.img install v2.slotimg --trust stranger.pub\
            \n--disk disk.img install strangers.slotimg --trust stranger.pub --no-activate\
            \n--disk disk.img status",
    },
    Script {
        name: "two-good",
        begin: |bench| {
            bench.does("--disk disk.img install v2.slotimg --slot b");
            bench.change_record(|record| {
                let slot = SlotId::new(1).unwrap();
                let mut good = *record.slot(slot);
                (good.state, good.tries_left) = (State::Good, 0);
                record.set_slot(slot, good);
            });
        },
        lines: "\
            --disk disk.img status\n--disk disk.img next-boot\n--disk disk.img rollback\
            \n--disk disk.img status\n--disk disk.img rollback\n--disk disk.img activate a\
            \n--disk disk.img status\n--disk disk.img install v1.slotimg",
    },
    Script {
        name: "bad-and-damaged",
        begin: |bench| {
            bench.does("--disk disk.img install v2.slotimg --slot b");
            bench.change_record(|record| {
                let slot = SlotId::new(1).unwrap();
                let mut bad = *record.slot(slot);
                (bad.state, bad.tries_left) = (State::Bad, 0);
                bad.reason = Reason::Exhausted;
                record.set_slot(slot, bad);
            });
            let at = bench.slot(1).start + 5000;
            bench.change("disk.img", |bytes| bytes[at] ^= 1);
        },
        lines: "\
            --disk disk.img status\n--disk disk.img next-boot\n--disk disk.img verify\
            \n--disk disk.img verify b\n--disk disk.img activate b\n--disk disk.img rollback\
            \n--disk disk.img install v2.slotimg\n--disk disk.img install v2.slotimg --retry\
            \n--disk disk.img status",
    },
    Script {
        name: "one-copy-of-the-record-damaged",
        begin: |bench| {
            let at = crate::bench::range(
                &controller::disk::Disk::open(&bench.file("disk.img"))
                    .unwrap()
                    .layout()
                    .record,
            );
            bench.change("disk.img", |bytes| bytes[at.start + 20] ^= 1);
        },
        lines: "--disk disk.img status\n--disk disk.img disk show\n--disk disk.img verify a",
    },
    Script {
        name: "disks",
        begin: AS_IT_IS,
        lines: "\
            disk create x.img --size 64MiB --bootshim BOOTX64.EFI --trust ours.pub \
             --sector-size 4096 --seed 3f2504e0-4f89-41d3-9a0c-0305e82c3302\
            \n--disk x.img disk show\n--disk x.img status\n--disk x.img next-boot\
            \n--disk x.img install v1.slotimg\n--disk x.img status\
            \ndisk create x.img --size 64MiB --bootshim BOOTX64.EFI\
            \ndisk create y.img --size 1MiB --bootshim BOOTX64.EFI --trust ours.pub\
            \ndisk create y.img --size 64MiB --bootshim kernel --trust ours.pub\
            \ndisk create y.img --size 64MiB --bootshim BOOTX64.EFI --seed x",
    },
];

#[test]
fn each_command_says_what_it_said() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let write = std::env::var_os("GOLDEN").is_some_and(|word| word == "write");
    let mut differences = String::new();
    for script in SCRIPTS {
        let said = play(script, "") + &play(script, "--json ");
        let file = folder.join(format!("{}.txt", script.name));
        if write {
            fs::write(&file, &said).unwrap();
        }
        let golden = fs::read_to_string(&file).unwrap();
        if let Some(difference) = difference(&golden, &said) {
            let _ = writeln!(differences, "{}:\n{difference}", file.display());
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

/// What the commands of a script say one after the other.
fn play(script: &Script, options: &str) -> String {
    let bench = Bench::new();
    (script.begin)(&bench);
    let mut said = String::new();
    for line in script.lines.lines() {
        let words = format!("{options}{line}");
        let ran = bench.run(&words);
        let _ = writeln!(said, "$ slotctl {words}");
        said.push_str(&ran.stdout);
        for line in ran.stderr.lines() {
            let _ = writeln!(said, "! {line}");
        }
        let _ = writeln!(said, "= {}\n", ran.status);
    }
    lasting(&said.replace(&bench.directory().display().to_string(), "HERE"))
}

/// Without what differs from run to run: keys and digests, and how long things took.
fn lasting(said: &str) -> String {
    let mut text = String::new();
    let mut word = String::new();
    for character in said.chars().chain(['\0']) {
        if character.is_ascii_hexdigit() {
            word.push(character);
            continue;
        }
        match word.len() {
            12.. => text.push_str("HEX"),
            _ => text.push_str(&word),
        }
        word.clear();
        text.push(character);
    }
    let text = text.trim_end_matches('\0');
    let seconds = |line: &str| match line.rsplit_once(", ") {
        Some((before, last)) if last.ends_with(" s") && line.starts_with("! ") => {
            format!("{before}, TIME\n")
        }
        _ => format!("{line}\n"),
    };
    // A slow machine says more often how far it is.
    let half_way = |line: &&str| {
        line.contains(" %, ") && !line.contains(": 0 %, ") && !line.contains(": 100 %, ")
    };
    let lines = text.lines().filter(|line| !half_way(line));
    lines.map(seconds).collect()
}

/// The first line that differs, with those before it.
fn difference(golden: &str, said: &str) -> Option<String> {
    let (golden, said): (Vec<_>, Vec<_>) = (golden.lines().collect(), said.lines().collect());
    let longest = golden.len().max(said.len());
    let at = (0..longest).find(|at| golden.get(*at) != said.get(*at))?;
    let before = golden[at.saturating_sub(6)..at.min(golden.len())].join("\n");
    let line = |lines: &[&str]| {
        lines
            .get(at)
            .map_or("(nothing)".into(), ToString::to_string)
    };
    Some(format!("{before}\n- {}\n+ {}", line(&golden), line(&said)))
}
