//! The system calls that the agent makes.
//!
//! Everything else fails with `EPERM`, as if rights were missing, which the code
//! must be ready for anyway. What nobody but an intruder would try ends the process:
//! then it is restarted, and forwarding goes on meanwhile.

use super::Seccomp;
use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter_all_threads,
};
use std::collections::BTreeMap;
use std::process;

/// Calls that are made with whatever arguments.
const ALLOWED: &[c_long] = &[
    // Descriptors and files. Which files, is Landlock's matter.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_fcntl,
    libc::SYS_pipe2,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    // Pins: the only names that are made.
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_bpf,
    // The network: netlink, checks, the page.
    libc::SYS_socketpair,
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_sendto,
    libc::SYS_recvfrom,
    libc::SYS_sendmsg,
    libc::SYS_recvmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvmmsg,
    libc::SYS_shutdown,
    // Waiting.
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_eventfd2,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_timerfd_gettime,
    libc::SYS_signalfd4,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_restart_syscall,
    // Memory.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    // Threads and signals of this process.
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_rseq,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_setaffinity,
    libc::SYS_getcpu,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sigaltstack,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // The spawner, when it has ended.
    libc::SYS_wait4,
    // Facts about this process and this machine.
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getppid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_capget,
    libc::SYS_prlimit64,
    libc::SYS_getrusage,
    libc::SYS_getrandom,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    // Answered by [`absent`].
    libc::SYS_clone3,
];

/// Older names of some, which newer machines do without.
#[cfg(target_arch = "x86_64")]
const ALLOWED_OLD: &[c_long] = &[
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_dup2,
    libc::SYS_pipe,
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_epoll_wait,
    libc::SYS_time,
    libc::SYS_getrlimit,
];
#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_OLD: &[c_long] = &[];

/// What only an intruder would try.
const HOSTILE: &[c_long] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_userfaultfd,
];

/// Families of sockets that are opened.
const FAMILIES: [i32; 5] = [
    libc::AF_UNIX,
    libc::AF_INET,
    libc::AF_INET6,
    libc::AF_NETLINK,
    libc::AF_PACKET,
];

/// What `prctl` is asked for, by the standard library and glibc: to name threads
/// and memory.
const PRCTL: [i32; 3] = [libc::PR_SET_NAME, libc::PR_GET_NAME, libc::PR_SET_VMA];

type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

/// Filters the system calls of all threads, and says how.
pub(super) fn install(manner: Seccomp) -> Result<String, String> {
    let refused = match manner {
        Seccomp::Off => return Ok("system calls are not restricted, as asked for".to_owned()),
        Seccomp::Log => SeccompAction::Log,
        Seccomp::Enforce => SeccompAction::Errno(libc::EPERM.unsigned_abs()),
    };
    let programs = programs(manner, refused).map_err(|error| error.to_string())?;
    for program in &programs {
        apply_filter_all_threads(program).map_err(|error| error.to_string())?;
    }
    Ok(match manner {
        Seccomp::Log => "seccomp logs all other system calls, as asked for".to_owned(),
        _ => "seccomp keeps it to its system calls".to_owned(),
    })
}

/// The filters. The kernel runs them all, and heeds the strictest.
fn programs(
    manner: Seccomp,
    refused: SeccompAction,
) -> Result<Vec<BpfProgram>, seccompiler::BackendError> {
    let mut filters = vec![(
        absent(),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENOSYS.unsigned_abs()),
    )];
    if manner == Seccomp::Enforce {
        let hostile = HOSTILE.iter().map(|&call| (call, vec![])).collect();
        filters.push((hostile, SeccompAction::Allow, SeccompAction::KillProcess));
    }
    // The last one: it forbids installing others.
    filters.push((allowed()?, refused, SeccompAction::Allow));
    filters
        .into_iter()
        .map(|(rules, otherwise, then)| {
            let arch = std::env::consts::ARCH.try_into()?;
            SeccompFilter::new(rules, otherwise, then, arch)?.try_into()
        })
        .collect()
}

/// Calls that the kernel is made to look too old for. What `clone3` is to start
/// stands in memory, which a filter cannot read; glibc takes `clone` then.
fn absent() -> Rules {
    Rules::from([(libc::SYS_clone3, vec![])])
}

fn allowed() -> Result<Rules, seccompiler::BackendError> {
    let calls = ALLOWED.iter().chain(ALLOWED_OLD);
    let mut rules: Rules = calls.map(|&call| (call, vec![])).collect();
    let number = |number: i32| u64::from(number.unsigned_abs());
    let dword = SeccompCmpArgLen::Dword;
    let one_of = |argument, values: &[i32]| -> Result<Vec<_>, _> {
        let rule = |&value| {
            let is_it =
                SeccompCondition::new(argument, dword.clone(), SeccompCmpOp::Eq, number(value));
            SeccompRule::new(vec![is_it?])
        };
        values.iter().map(rule).collect()
    };
    rules.insert(libc::SYS_socket, one_of(0, &FAMILIES)?);
    rules.insert(libc::SYS_prctl, one_of(0, &PRCTL)?);
    // Signals to threads of this process, as when it aborts.
    let own = process::id().cast_signed();
    rules.insert(libc::SYS_tgkill, one_of(0, &[own])?);
    // Threads, and no processes.
    let thread = number(libc::CLONE_THREAD);
    let is_thread = SeccompCmpOp::MaskedEq(thread);
    let is_thread = SeccompCondition::new(0, dword.clone(), is_thread, thread)?;
    rules.insert(libc::SYS_clone, vec![SeccompRule::new(vec![is_thread])?]);
    // No memory that can be executed: a static program has all that it will run.
    let inert = SeccompCmpOp::MaskedEq(number(libc::PROT_EXEC));
    let inert = SeccompCondition::new(2, dword.clone(), inert, 0)?;
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        rules.insert(call, vec![SeccompRule::new(vec![inert.clone()])?]);
    }
    // Anything but typing on a terminal in somebody else's name.
    let unless =
        |request: libc::Ioctl| SeccompCondition::new(1, dword.clone(), SeccompCmpOp::Ne, request);
    let inputs = [unless(libc::TIOCSTI)?, unless(libc::TIOCLINUX)?];
    rules.insert(libc::SYS_ioctl, vec![SeccompRule::new(inputs.into())?]);
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_call_is_both_made_and_hostile() {
        let allowed: BTreeSet<c_long> = allowed().unwrap().into_keys().collect();
        let hostile: BTreeSet<c_long> = HOSTILE.iter().copied().collect();
        assert_eq!(hostile.len(), HOSTILE.len(), "one stands there twice");
        assert!(allowed.is_disjoint(&hostile));
        for forbidden in [
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_unshare,
            libc::SYS_kill,
        ] {
            assert!(!allowed.contains(&forbidden));
        }
    }

    #[test]
    fn the_filters_are_ones_that_the_kernel_takes() {
        let refused = SeccompAction::Errno(1);
        let programs = programs(Seccomp::Enforce, refused).unwrap();
        let lengths: Vec<usize> = programs.iter().map(Vec::len).collect();
        assert_eq!(lengths.len(), 3);
        // BPF_MAXINSNS of classic BPF.
        assert!(lengths.iter().all(|&length| length <= 4096), "{lengths:?}");
    }
}
