//! What the object says about one table.

use aya_obj::btf::{Btf, BtfKind};
use aya_obj::{EbpfSectionKind, Map};

use super::btf::Types;

/// Kinds of maps which the kernel creates only without key and value types,
/// else it answers `ENOTSUPP` (`map_check_no_btf`). In order: perf event array,
/// stack trace, cgroup array, array of maps, hash of maps, devmap, sockmap,
/// cpumap, xskmap, sockhash, queue, stack, devmap hash, ringbuf.
const WITHOUT_TYPES: [u32; 14] = [4, 7, 8, 12, 13, 14, 15, 16, 17, 18, 22, 23, 25, 27];
/// One table, as the kernel's `BPF_MAP_CREATE` wants to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSpec {
    /// The section for data (`.bss.flows`), else the symbol in `.maps`.
    pub name: String,
    /// `enum bpf_map_type`.
    pub kind: u32,
    /// Size of a key in bytes.
    pub key_size: u32,
    /// Size of a value in bytes; for data, of the whole section.
    pub value_size: u32,
    /// How many entries it holds; 1 for data.
    pub max_entries: u32,
    /// `BPF_F_*`.
    pub flags: u32,
    /// What it holds from the start. Nothing for `.maps`; nothing for `.bss`,
    /// which is zero and may be large.
    pub contents: Option<Vec<u8>>,
    /// It is `.rodata`: `flags` has `BPF_F_RDONLY_PROG` (kernel 5.2). Write
    /// it, then `BPF_MAP_FREEZE`, both before the program is loaded: only so
    /// does the verifier know the values.
    pub readonly: bool,
    /// Type id of the key in [`super::Spec::btf`], 0 for none.
    pub key_type: u32,
    /// Type id of the value, 0 for none; for data the section's `DATASEC`.
    pub value_type: u32,
    /// For a table of tables: what each of those is like.
    pub inner: Option<Box<TableSpec>>,
}

impl TableSpec {
    /// Describes a map of `aya-obj`'s. `btf` and `types` are of one object.
    pub(super) fn new(name: &str, map: &Map, btf: Option<&Btf>, types: Option<&Types>) -> Self {
        // The types as the object says, and as the kernel may be told.
        let (key_id, value_id) = match map {
            Map::Btf(map) => (map.def.btf_key_type_id, map.def.btf_value_type_id),
            Map::Legacy(_) => {
                let section = |btf: &Btf| btf.id_by_type_name_kind(name, BtfKind::DataSec).ok();
                (0, btf.and_then(section).unwrap_or(0))
            }
        };
        let told = !WITHOUT_TYPES.contains(&map.map_type());
        let (key_type, value_type) = if told { (key_id, value_id) } else { (0, 0) };
        let is_data = matches!(map, Map::Legacy(_));
        let size = |id, by_map| match types {
            Some(types) if !is_data => size_by_type(types, id).unwrap_or(by_map),
            _ => by_map,
        };
        let inner = map
            .inner()
            .map(|inner| Box::new(Self::new(name, &inner, btf, types)));
        Self {
            name: name.to_owned(),
            kind: map.map_type(),
            key_size: size(key_id, map.key_size()),
            value_size: size(value_id, map.value_size()),
            max_entries: map.max_entries(),
            flags: map.map_flags(),
            contents: None,
            readonly: map.section_kind() == EbpfSectionKind::Rodata,
            key_type,
            value_type,
            inner,
        }
    }
}

/// `aya-obj` counts only the last dimension of an array of arrays; the size by
/// the type is right. Id 0 is no type.
fn size_by_type(types: &Types, id: u32) -> Option<u32> {
    u32::try_from(types.size(id)?).ok()
}
