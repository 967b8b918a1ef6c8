//! Programs and type information.

use crate::bytecode::{XDP_PASS, answering, id, naming, passing, spec};
use crate::maps;
use crate::world::{in_a_world, open_descriptors, wait_for};
use dsrload::sys::bpf::{
    self, MapBtf, MapKind, MapSpec, ProgramBtf, ProgramInfo, ProgramKind, ProgramSpec,
};
use std::io::ErrorKind;

/// Type information of `static int door(void)`, an `int` being type 1 and the
/// function type 3. See `Documentation/bpf/btf.rst`.
fn type_information() -> Vec<u8> {
    let strings = b"\0int\0door\0door.rs\0return 2\0";
    let types: [u32; 10] = [
        1,
        1 << 24,
        4,
        1 << 24 | 32, // INT "int", signed, 4 bytes
        0,
        13 << 24,
        1, // FUNC_PROTO returning type 1
        5,
        12 << 24,
        2, // FUNC "door" of type 2
    ];
    let (types_len, strings_len) = (40_u32, u32::try_from(strings.len()).unwrap());
    let mut bytes = 0xeb9f_u16.to_ne_bytes().to_vec();
    bytes.extend([1, 0]); // version, flags
    for word in [24, 0, types_len, types_len, strings_len] {
        bytes.extend(word.to_ne_bytes());
    }
    bytes.extend(types.iter().flat_map(|word| word.to_ne_bytes()));
    bytes.extend(strings);
    bytes
}

#[test]
fn a_program_tells_what_it_is() {
    let program = passing("two_instructions_long");
    let ProgramInfo {
        kind,
        name,
        tag,
        map_ids,
        jited_len,
        xlated_len,
        verified_insns,
        ..
    } = bpf::program_info(&program).unwrap();
    assert_eq!(kind, ProgramKind::XDP);
    assert_eq!(name, "two_instruction");
    assert_ne!(tag, [0; 8]);
    assert!(map_ids.is_empty(), "{map_ids:?}");
    assert_eq!((xlated_len, verified_insns), (16, 2));
    assert!(jited_len > 0, "this kernel compiles programs");
}

#[test]
fn a_program_names_the_maps_it_uses() {
    let map = bpf::map_create(&maps::spec(MapKind::ARRAY, 0)).unwrap();
    let program = bpf::program_load(&spec("named", &naming(&map)), None).unwrap();
    assert_eq!(
        bpf::program_info(&program).unwrap().map_ids,
        [map.info().id]
    );
}

#[test]
fn a_map_that_is_bound_lives_as_long_as_the_program() {
    let map = bpf::map_create(&maps::spec(MapKind::ARRAY, 0)).unwrap();
    let program = passing("bound");
    bpf::program_bind_map(&program, &map).unwrap();
    bpf::program_bind_map(&program, &map).expect("again is no mistake");
    let id = map.info().id;
    drop(map);
    assert_eq!(bpf::program_info(&program).unwrap().map_ids, [id]);
    assert!(bpf::map_by_id(id).unwrap().is_some());
}

#[test]
fn a_packet_runs_through_a_program() {
    let program = passing("runs");
    let packet = [0x5a; 64];
    let mut out = [0; 128];
    let run = bpf::test_run(&program, &packet, &mut out).unwrap();
    assert_eq!((run.verdict, run.len), (u32::from(XDP_PASS), 64));
    assert_eq!(out[..64], packet);
    assert_eq!(out[64..], [0; 64]);

    let run = bpf::test_run(&program, &packet, &mut []).unwrap();
    assert_eq!((run.verdict, run.len), (u32::from(XDP_PASS), 64));
}

#[test]
fn a_packet_that_does_not_fit_is_an_error() {
    let program = passing("fits");
    let error = bpf::test_run(&program, &[0; 64], &mut [0; 63]).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
}

#[test]
fn a_packet_runs_through_a_program_again_and_again() {
    let program = passing("repeats");
    bpf::test_run_repeat(&program, &[0x5a; 64], 1000).unwrap();
    let error = bpf::test_run_repeat(&program, &[], 1).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
}

#[test]
fn live_frames_come_from_an_interface_of_this_namespace() {
    in_a_world(|| {
        let program = passing("lives");
        let live = |ifindex, batch| {
            let run = bpf::LiveRun {
                packet: &[0x5a; 64],
                ifindex,
                frames: 100,
                batch,
            };
            bpf::test_run_live(&program, &run)
        };
        live(1, 64).expect("loopback");
        let refused = |ifindex, batch| live(ifindex, batch).unwrap_err().raw_os_error();
        assert_eq!(refused(1000, 64), Some(libc::ENODEV));
        assert_eq!(refused(1, 257), Some(libc::E2BIG));
    });
}

#[test]
fn the_verifier_tells_why_when_asked() {
    // `exit` with nothing in r0
    let code = [0x95, 0, 0, 0, 0, 0, 0, 0];
    let error = bpf::program_load(&spec("refused", &code), None).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EACCES));
    let mut log = vec![0; 1 << 16];
    bpf::program_load(&spec("refused", &code), Some(&mut log)).unwrap_err();
    let story = bpf::log_text(&log);
    assert!(story.contains("R0 !read_ok"), "{story}");

    let error = bpf::program_load(&spec("refused", &code), Some(&mut [0; 8]));
    assert!(error.is_err(), "the log has no room");
}

#[test]
fn half_an_instruction_never_reaches_the_kernel() {
    let error = bpf::program_load(&spec("half", &answering(XDP_PASS)[..12]), None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let error = bpf::program_load(&spec("none", &[]), None).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::E2BIG));
}

#[test]
fn a_program_that_is_gone_is_not_found_by_its_number() {
    let program = passing("gone");
    let number = id(&program);
    let again = bpf::program_by_id(number).unwrap().unwrap();
    assert_eq!(id(&again), number);
    assert_eq!(bpf::program_next_id(number - 1).unwrap(), Some(number));
    drop((program, again));
    wait_for("the program is gone", || {
        bpf::program_by_id(number).unwrap().is_none().then_some(())
    });
    assert_eq!(bpf::program_next_id(1 << 30).unwrap(), None);
}

#[test]
fn types_go_with_maps_and_programs() {
    let btf = bpf::btf_load(&type_information(), None).unwrap();
    let code = answering(XDP_PASS);
    let typed = ProgramSpec {
        btf: Some(ProgramBtf {
            fd: &btf,
            func_info: &[[0, 3]],
            // file "door.rs", text "return 2", line 8, column 1
            line_info: &[[0, 10, 18, 8 << 10 | 1]],
        }),
        ..spec("typed", &code)
    };
    let mut log = vec![0; 1 << 16];
    let loaded = bpf::program_load(&typed, Some(&mut log));
    assert!(loaded.is_ok(), "{loaded:?}: {}", bpf::log_text(&log));

    let map_btf = MapBtf {
        fd: &btf,
        key_type: 1,
        value_type: 1,
    };
    let map = MapSpec {
        value_size: 4,
        btf: Some(map_btf),
        ..maps::spec(MapKind::HASH, 0)
    };
    bpf::map_create(&map).unwrap();
    let error = bpf::map_create(&MapSpec {
        value_size: 8,
        ..map
    })
    .unwrap_err();
    assert_eq!(
        error.raw_os_error(),
        Some(libc::EINVAL),
        "the type has 4 bytes"
    );
}

#[test]
fn a_function_that_the_types_do_not_know_is_refused() {
    let btf = bpf::btf_load(&type_information(), None).unwrap();
    let code = answering(XDP_PASS);
    let wrong = ProgramSpec {
        btf: Some(ProgramBtf {
            fd: &btf,
            func_info: &[[0, 1]],
            line_info: &[],
        }),
        ..spec("wrong", &code)
    };
    let error = bpf::program_load(&wrong, None).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
}

#[test]
fn type_information_that_is_none_is_refused_with_a_reason() {
    let mut broken = type_information();
    broken[2] = 9;
    let mut log = vec![0; 1 << 16];
    let error = bpf::btf_load(&broken, Some(&mut log)).unwrap_err();
    assert!(error.raw_os_error().is_some(), "{error}");
    let story = bpf::log_text(&log);
    assert!(story.contains("version"), "{story}");
    assert!(bpf::btf_load(&[], None).is_err());
}

#[test]
fn programs_and_types_give_their_descriptors_back() {
    in_a_world(|| {
        let before = open_descriptors();
        let program = passing("counted");
        let again = bpf::program_by_id(id(&program)).unwrap();
        let btf = bpf::btf_load(&type_information(), None).unwrap();
        assert_eq!(open_descriptors(), before + 3);
        bpf::program_load(&spec("refused", &[0x95, 0, 0, 0, 0, 0, 0, 0]), None).unwrap_err();
        bpf::btf_load(&[1; 40], None).unwrap_err();
        drop((program, again, btf));
        assert_eq!(open_descriptors(), before);
    });
}
