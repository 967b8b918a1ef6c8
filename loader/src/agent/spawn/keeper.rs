//! What runs in the spawner, and in the keepers that it starts: plain processes of
//! one thread, which wait in `poll`.

use super::{Answer, How, PACKET_MAX, PROGRAMS_MAX, Request, say};
use crate::sys::capabilities::{Capabilities, bound, keep_only, no_new_privileges};
use crate::sys::process::{
    Pid, Reaped, adopt_orphans, copy_with, end_with_parent, reap, start_program,
};
use crate::sys::signal::Held;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, recv};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::thread;
use std::time::{Duration, Instant};

/// How long is tried to kill all that a program has started. What is left then is in
/// the kernel's hands, as in a write to a dead disk, and dies when it returns.
const KILLING: Duration = Duration::from_secs(2);

/// Between two looks at what is still there.
const PAUSE: Duration = Duration::from_millis(2);

/// The spawner's life: until the agent closes the socket.
pub(super) fn serve(socket: &OwnedFd) {
    // It outlives the agent by what it takes to kill programs, and ends by that
    // alone: not by a signal to all of a service's processes. Programs get neither.
    let signals = Held::hold();
    let ready = signals.and_then(|held| give_up_rights().map(|()| held));
    let _held = match ready {
        Ok(held) => held,
        Err(error) => {
            let _ = say(socket, error.to_string().as_bytes());
            return;
        }
    };
    let mut keepers = BTreeMap::new();
    if say(socket, b"ready").is_ok() {
        // An error of the socket is its end.
        let _ = serve_requests(socket, &mut keepers);
    }
    // The keepers hear the end of the socket, too.
    let start = Instant::now();
    while !keepers.is_empty() && start.elapsed() < KILLING * 2 {
        thread::sleep(PAUSE);
        bury(socket, &mut keepers);
    }
}

/// No capability, no way to any, and no life without the agent.
fn give_up_rights() -> io::Result<()> {
    no_new_privileges()?;
    // Takes CAP_SETPCAP, and without new privileges nothing in it can be had.
    let _ = bound(Capabilities::default());
    keep_only(Capabilities::default())?;
    // Should it not hear the socket's end, because somebody has stopped it.
    end_with_parent()?;
    adopt_orphans()
}

/// A keeper: the number of its request, and a descriptor that tells when it has ended.
type Keepers = BTreeMap<Pid, (u64, OwnedFd)>;

fn serve_requests(socket: &OwnedFd, keepers: &mut Keepers) -> io::Result<()> {
    let mut packet = vec![0; PACKET_MAX];
    loop {
        // While all places are taken, no request is read.
        let is_open = keepers.len() < PROGRAMS_MAX;
        let heeded = if is_open {
            PollFlags::POLLIN
        } else {
            PollFlags::empty()
        };
        let mut sources = vec![PollFd::new(socket.as_fd(), heeded)];
        sources.extend(ends(keepers.values().map(|(_, end)| end)));
        wait(&mut sources, None)?;
        let is_hung_up = has(&sources[0], PollFlags::POLLHUP);
        let is_asked = has(&sources[0], PollFlags::POLLIN);
        drop(sources);
        bury(socket, keepers);
        if is_hung_up {
            return Ok(());
        }
        if !is_asked {
            continue;
        }
        let length = recv(socket.as_raw_fd(), &mut packet, MsgFlags::empty())?;
        let asked = serde_json::from_slice(packet.get(..length).unwrap_or_default());
        // Something else comes from nobody: the agent wrote it.
        let request: Request = asked.map_err(io::Error::other)?;
        let id = request.id;
        match start_keeper(socket, request) {
            Ok((keeper, end)) => {
                keepers.insert(keeper, (id, end));
            }
            Err(error) => answer(socket, id, How::NotStarted(error.to_string()))?,
        }
    }
}

fn start_keeper(socket: &OwnedFd, request: Request) -> io::Result<(Pid, OwnedFd)> {
    let spawner = Pid::own();
    let keeper = copy_with(socket.try_clone()?, |socket| {
        keep(&socket, spawner, request)
    })?;
    Ok((keeper, keeper.watch()?))
}

/// Reaps keepers, and answers for those that could not.
fn bury(socket: &OwnedFd, keepers: &mut Keepers) {
    while let Ok(Reaped::One(pid, status)) = reap() {
        let Some((id, _)) = keepers.remove(&pid) else {
            continue;
        };
        if !status.success() {
            // It was killed, and its program with it. What that has started is
            // among our own children now.
            kill_children(|child| !keepers.contains_key(&child));
            let why = "the process that watched it was killed";
            let _ = answer(socket, id, How::NotStarted(why.to_owned()));
        }
    }
}

/// A keeper's life: one program.
fn keep(socket: &OwnedFd, spawner: Pid, request: Request) {
    let how = run(socket, spawner, &request);
    let how = match how {
        Ok(Some(how)) => how,
        // Nobody is there to be told.
        Ok(None) => return,
        Err(error) => How::NotStarted(error.to_string()),
    };
    let _ = answer(socket, request.id, how);
}

/// How the program ended, or none if the agent or the spawner ended first. All that
/// it has started is killed, in any case.
fn run(socket: &OwnedFd, spawner: Pid, request: &Request) -> io::Result<Option<How>> {
    let spawners_end = spawner.watch()?;
    if Pid::of_parent() != spawner {
        return Ok(None);
    }
    adopt_orphans()?;
    let Some((program, arguments)) = request.argv.split_first() else {
        return Err(io::Error::other("there is no program"));
    };
    let start = Instant::now();
    let leader = start_program(program, arguments, &request.env)
        .map_err(|error| io::Error::other(format!("{program}: {error}")))?;
    let leaders_end = leader.watch()?;
    let event = loop {
        let mut sources = vec![PollFd::new(socket.as_fd(), PollFlags::empty())];
        sources.extend(ends([&spawners_end, &leaders_end]));
        let left = request.timeout.saturating_sub(start.elapsed());
        wait(&mut sources, Some(left))?;
        let has_ended = |index: usize| {
            let any = PollFlags::POLLIN | PollFlags::POLLHUP;
            has(&sources[index], any)
        };
        if has_ended(0) || has_ended(1) {
            break None;
        }
        if has_ended(2) {
            break Some(true);
        }
        if start.elapsed() >= request.timeout {
            break Some(false);
        }
    };
    let status = kill_all(leader)?;
    Ok(match (event, status) {
        (None, _) => None,
        (Some(true), Some(status)) => Some(match (status.code(), status.signal()) {
            (Some(code), _) => How::Code(code),
            (None, signal) => How::Signal(signal.unwrap_or_default()),
        }),
        (Some(_), _) => Some(How::TimedOut),
    })
}

/// Kills a program, its group, and all that has left the group: whatever parent it
/// had, this process is it when that has ended. How the program ended.
fn kill_all(leader: Pid) -> io::Result<Option<std::process::ExitStatus>> {
    // The number is the program's until it is reaped, below.
    leader.kill_group()?;
    let start = Instant::now();
    let mut status = None;
    loop {
        match reap()? {
            Reaped::One(pid, how) if pid == leader => status = Some(how),
            Reaped::One(..) => {}
            Reaped::NoneLeft => return Ok(status),
            Reaped::NoneYet if start.elapsed() > KILLING => return Ok(status),
            Reaped::NoneYet => {
                kill_children(|_| true);
                thread::sleep(PAUSE);
            }
        }
    }
}

/// Kills children of this process. Without `/proc` it knows of none.
fn kill_children(which: impl Fn(Pid) -> bool) {
    let own = Pid::own();
    let Ok(processes) = fs::read_dir("/proc") else {
        return;
    };
    for process in processes.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|n| n.parse().ok()) else {
            continue;
        };
        let stat = fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        if let Some(pid) = Pid::new(pid)
            && parent(&stat) == Some(own.number())
            && which(pid)
        {
            let _ = pid.kill();
        }
    }
}

/// The parent's number in `/proc/PID/stat`: the second word behind the name, which
/// may hold anything.
fn parent(stat: &str) -> Option<i32> {
    let (_, behind) = stat.rsplit_once(')')?;
    behind.split_whitespace().nth(1)?.parse().ok()
}

fn answer(socket: &OwnedFd, id: u64, how: How) -> io::Result<()> {
    let packet = serde_json::to_vec(&Answer { id, how }).map_err(io::Error::other)?;
    say(socket, &packet)
}

/// Descriptors that can be read from when a process has ended.
fn ends<'a>(fds: impl IntoIterator<Item = &'a OwnedFd>) -> impl Iterator<Item = PollFd<'a>> {
    fds.into_iter()
        .map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN))
}

/// Waits until one has something to tell, or the time is over.
fn wait(sources: &mut [PollFd<'_>], patience: Option<Duration>) -> io::Result<()> {
    let patience = match patience {
        None => PollTimeout::NONE,
        // Rounded up: else the last millisecond would be spent asking.
        Some(left) => {
            PollTimeout::try_from(left + Duration::from_micros(999)).unwrap_or(PollTimeout::MAX)
        }
    };
    match poll(sources, patience) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn has(source: &PollFd<'_>, flags: PollFlags) -> bool {
    source.revents().is_some_and(|seen| seen.intersects(flags))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_found_behind_whatever_a_program_calls_itself() {
        assert_eq!(parent("12 (sh) S 7 12 12 0"), Some(7));
        assert_eq!(parent("12 (a) S 99) R 7 12 12 0"), Some(7));
        assert_eq!(parent("12 (sh"), None);
        assert_eq!(parent(""), None);
    }
}
