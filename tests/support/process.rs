//! What the kernel tells of this process.

use std::fs;

/// A number of `/proc/.../status`.
fn status(path: &str, name: &str) -> u64 {
    let status = fs::read_to_string(path).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    number.map_or(0, |number| number.parse().expect("a number"))
}

/// The memory in use, in KiB.
pub(crate) fn resident_kib() -> u64 {
    let resident = status("/proc/self/status", "VmRSS:");
    assert!(resident > 0);
    resident
}

/// How often its threads were woken: the times that they gave the processor up
/// to wait for something.
#[allow(dead_code)]
pub(crate) fn wake_ups() -> u64 {
    let threads = fs::read_dir("/proc/self/task").expect("threads");
    let of = |thread: fs::DirEntry| {
        let path = format!("{}/status", thread.path().display());
        status(&path, "voluntary_ctxt_switches:")
    };
    threads.map(|thread| of(thread.expect("a thread"))).sum()
}

/// The processor time that it took, in hundredths of a second.
#[allow(dead_code)]
pub(crate) fn processor_ticks() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("stat");
    // The name before it may hold anything.
    let (_, fields) = stat.rsplit_once(')').expect("a name");
    let fields: Vec<_> = fields.split_whitespace().collect();
    // Fields 14 and 15 of `man proc_pid_stat`; the first here is the third there.
    [11, 12]
        .map(|field: usize| fields[field].parse::<u64>().expect("ticks"))
        .iter()
        .sum()
}
