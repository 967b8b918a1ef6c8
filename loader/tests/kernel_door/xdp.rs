//! Attaching, replacing and detaching programs.

use crate::bytecode::{self, id, passing};
use crate::world::{in_a_world, ip};
use dsrload::netlink::{
    AttachedMode, Change, Expected, Mode, Netlink, NetlinkError, XdpAttachment,
};
use dsrload::sys::bpf::{self, ProgramFd, ProgramSpec};

/// An interface of a veth pair, and a conversation about it.
struct Interface {
    netlink: Netlink,
    index: u32,
}

impl Interface {
    fn new() -> Self {
        ip("link add near type veth peer name far");
        let mut netlink = Netlink::open().unwrap();
        let index = netlink.link_by_name("near").unwrap().unwrap().index;
        Self { netlink, index }
    }

    fn set(
        &mut self,
        mode: Mode,
        program: Option<&ProgramFd>,
        expected: Option<Expected<'_>>,
    ) -> Result<(), NetlinkError> {
        self.netlink.set_xdp(
            self.index,
            Change {
                program,
                expected,
                mode,
            },
        )
    }

    fn attached(&mut self) -> XdpAttachment {
        self.netlink.link_by_index(self.index).unwrap().unwrap().xdp
    }
}

/// The error has this number and these words of the kernel.
fn refused(answer: Result<(), NetlinkError>, errno: i32, words: &str) {
    let error = answer.unwrap_err();
    assert_eq!(
        (error.request, error.errno()),
        ("RTM_SETLINK", Some(errno)),
        "{error}"
    );
    assert_eq!(error.message.as_deref(), Some(words));
    assert!(error.to_string().contains(words), "{error}");
}

#[test]
fn each_mode_is_attached_seen_and_detached() {
    in_a_world(|| {
        let mut interface = Interface::new();
        let program = passing("attached");
        for (mode, seen) in [
            (Mode::Skb, AttachedMode::Skb),
            (Mode::Drv, AttachedMode::Drv),
        ] {
            interface
                .set(mode, Some(&program), Some(Expected::Nothing))
                .unwrap();
            let attached = interface.attached();
            assert_eq!(attached.mode(), seen);
            assert_eq!(attached.program(mode), Some(id(&program)));
            interface.set(mode, None, None).unwrap();
            assert_eq!(interface.attached(), XdpAttachment::default());
        }
    });
}

#[test]
fn a_program_is_replaced_only_by_who_knows_it() {
    in_a_world(|| {
        let mut interface = Interface::new();
        let (first, second) = (passing("first"), passing("second"));
        for mode in [Mode::Skb, Mode::Drv] {
            interface.set(mode, Some(&first), None).unwrap();
            let wrong = interface.set(mode, Some(&second), Some(Expected::Program(&second)));
            refused(
                wrong,
                libc::EEXIST,
                "Active program does not match expected",
            );
            assert_eq!(interface.attached().program(mode), Some(id(&first)));

            interface
                .set(mode, Some(&second), Some(Expected::Program(&first)))
                .unwrap();
            assert_eq!(interface.attached().program(mode), Some(id(&second)));

            let wrong = interface.set(mode, None, Some(Expected::Program(&first)));
            refused(
                wrong,
                libc::EEXIST,
                "Active program does not match expected",
            );
            interface
                .set(mode, None, Some(Expected::Program(&second)))
                .unwrap();
            assert_eq!(interface.attached().mode(), AttachedMode::None);
        }
    });
}

#[test]
fn who_expects_nothing_disturbs_nothing() {
    in_a_world(|| {
        let mut interface = Interface::new();
        let (first, second) = (passing("first"), passing("second"));
        interface
            .set(Mode::Drv, Some(&first), Some(Expected::Nothing))
            .unwrap();
        let busy = interface.set(Mode::Drv, Some(&second), Some(Expected::Nothing));
        refused(busy, libc::EBUSY, "XDP program already attached");
        let busy = interface.set(Mode::Drv, None, Some(Expected::Nothing));
        refused(busy, libc::EEXIST, "Active program does not match expected");
        assert_eq!(interface.attached().drv, Some(id(&first)));

        interface.set(Mode::Drv, None, None).unwrap();
        interface
            .set(Mode::Drv, None, Some(Expected::Nothing))
            .unwrap();
    });
}

#[test]
fn a_detach_in_the_wrong_mode_succeeds_and_does_nothing() {
    in_a_world(|| {
        let mut interface = Interface::new();
        let program = passing("stays");
        interface.set(Mode::Skb, Some(&program), None).unwrap();
        interface.set(Mode::Drv, None, None).unwrap();
        assert_eq!(interface.attached().skb, Some(id(&program)));
        let wrong = interface.set(Mode::Drv, None, Some(Expected::Program(&program)));
        refused(
            wrong,
            libc::EEXIST,
            "Active program does not match expected",
        );
    });
}

#[test]
fn the_kernels_own_words_tell_why_an_attach_is_refused() {
    in_a_world(|| {
        let mut interface = Interface::new();
        let program = passing("refused");
        interface.set(Mode::Skb, Some(&program), None).unwrap();
        let both = interface.set(Mode::Drv, Some(&program), None);
        let words = "Native and generic XDP can't be active at the same time";
        refused(both, libc::EEXIST, words);
    });
}

#[test]
fn a_mode_that_the_driver_has_not_is_refused() {
    in_a_world(|| {
        let mut interface = Interface::new();
        let program = passing("software");
        let error = interface.set(Mode::Hw, Some(&program), None).unwrap_err();
        assert!(error.errno().is_some(), "{error}");
        assert_eq!(interface.attached().mode(), AttachedMode::None);
    });
}

#[test]
fn an_interface_that_is_not_there_is_an_error_to_change() {
    in_a_world(|| {
        let mut netlink = Netlink::open().unwrap();
        let program = passing("nowhere");
        let change = Change {
            program: Some(&program),
            expected: None,
            mode: Mode::Skb,
        };
        let error = netlink.set_xdp(999_999, change).unwrap_err();
        assert_eq!(error.errno(), Some(libc::ENODEV), "{error}");
    });
}

#[test]
fn long_frames_need_a_program_for_fragments() {
    in_a_world(|| {
        let mut interface = Interface::new();
        ip("link set near mtu 9000");
        ip("link set far mtu 9000");
        let code = bytecode::answering(bytecode::XDP_PASS);
        let whole = bytecode::spec("whole", &code);
        let program = bpf::program_load(&whole, None).unwrap();
        let refused = interface.set(Mode::Drv, Some(&program), None).unwrap_err();
        assert_eq!(refused.errno(), Some(libc::ERANGE), "{refused}");

        let flags = bpf::BPF_F_XDP_HAS_FRAGS;
        let fragments = ProgramSpec { flags, ..whole };
        let program = bpf::program_load(&fragments, None).unwrap();
        interface.set(Mode::Drv, Some(&program), None).unwrap();
        assert_eq!(interface.attached().drv, Some(id(&program)));
    });
}

#[test]
fn a_program_for_another_place_is_refused() {
    /// Runs behind a redirection, not on an interface.
    const BPF_XDP_DEVMAP: u32 = 33;
    in_a_world(|| {
        let mut interface = Interface::new();
        let code = bytecode::answering(bytecode::XDP_PASS);
        let spec = ProgramSpec {
            expected_attach_type: BPF_XDP_DEVMAP,
            ..bytecode::spec("elsewhere", &code)
        };
        let program = bpf::program_load(&spec, None).unwrap();
        let answer = interface.set(Mode::Skb, Some(&program), None);
        let words = "BPF_XDP_DEVMAP programs can not be attached to a device";
        refused(answer, libc::EINVAL, words);
    });
}
