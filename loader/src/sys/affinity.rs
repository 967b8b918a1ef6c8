//! Which CPUs the calling thread may run on.

use nix::sched::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use nix::unistd::Pid;
use std::io;
use std::marker::PhantomData;

/// Stands for the calling thread.
const SELF: Pid = Pid::from_raw(0);

/// The calling thread stays on one CPU until this is dropped.
#[derive(Debug)]
pub struct Pinned {
    before: CpuSet,
    _stays_on_its_thread: PhantomData<*mut ()>,
}

impl Pinned {
    /// Stays on the CPU that the thread runs on now. `EINVAL` where its number is
    /// 1024 or higher.
    pub fn here() -> io::Result<Self> {
        let before = sched_getaffinity(SELF)?;
        let mut here = CpuSet::new();
        here.set(sched_getcpu()?)?;
        sched_setaffinity(SELF, &here)?;
        Ok(Self {
            before,
            _stays_on_its_thread: PhantomData,
        })
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // Refused only if none of those CPUs is left: then it may stay.
        let _ = sched_setaffinity(SELF, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_thread_has_one_cpu_and_gets_the_others_back() {
        let before = sched_getaffinity(SELF).unwrap();
        let pinned = Pinned::here().unwrap();
        let now = sched_getaffinity(SELF).unwrap();
        let count = (0..CpuSet::count())
            .filter(|&cpu| now.is_set(cpu).unwrap())
            .count();
        assert_eq!(count, 1);
        assert!(now.is_set(sched_getcpu().unwrap()).unwrap());
        drop(pinned);
        assert_eq!(sched_getaffinity(SELF).unwrap(), before);
    }
}
