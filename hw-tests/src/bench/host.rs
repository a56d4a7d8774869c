//! The machine that is measured on.

use super::Workdir;
use serde_json::{Value, json};
use std::fs;

/// What it is.
#[derive(Clone, Debug)]
pub struct Host {
    processor: String,
    cores: usize,
    memory: String,
    kernel: String,
    disk: String,
    tools: Vec<String>,
}

impl Host {
    /// What can be learned of it; a word for what cannot.
    #[must_use]
    pub fn look(workdir: &Workdir) -> Self {
        let said = |words: &[&str]| {
            let said = workdir.run(words).unwrap_or_default();
            said.lines().next().unwrap_or("unknown").trim().to_owned()
        };
        let field = |file: &str, name: &str| {
            let text = fs::read_to_string(file).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(name));
            let value = line.and_then(|line| line.split_once(':'));
            value.map_or("unknown".into(), |(_, value)| value.trim().to_owned())
        };
        let memory = field("/proc/meminfo", "MemTotal");
        let kibibytes = memory.trim_end_matches(" kB").parse::<u64>();
        let memory = kibibytes.map_or(memory, |kib| format!("{} GiB", kib >> 20));
        let folder = workdir.directory().display().to_string();
        let disk = said(&["findmnt", "-no", "SOURCE,FSTYPE,SIZE", "--target", &folder]);
        let packages = [
            "rauc",
            "swupdate",
            "casync",
            "xdelta3",
            "zstd",
            "erofs-utils",
        ];
        let version = |package: &&str| {
            let format = "-f=${Package} ${Version}";
            said(&["dpkg-query", "-W", format, package])
        };
        Self {
            processor: field("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory,
            kernel: said(&["uname", "-r"]),
            disk: disk.split_whitespace().collect::<Vec<_>>().join(" "),
            tools: packages.iter().map(version).collect(),
        }
    }

    /// In one line.
    #[must_use]
    pub fn words(&self) -> String {
        format!(
            "{}, {} cores, {} of memory, Linux {}, disk {}",
            self.processor, self.cores, self.memory, self.kernel, self.disk
        )
    }

    /// The versions of the peers.
    #[must_use]
    pub fn tools(&self) -> String {
        self.tools.join(", ")
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "processor": self.processor,
            "cores": self.cores,
            "memory": self.memory,
            "kernel": self.kernel,
            "disk": self.disk,
            "tools": self.tools,
        })
    }
}
