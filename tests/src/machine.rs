//! Machine descriptions for the live target, as a user would write them in `launch.json` or `hvdap.toml`.

use std::path::Path;

use serde_json::{Value, json};

use crate::target::Target;

/// Xen, Dom0 and DomU with all symbols and sources, found by the images themselves.
#[must_use]
pub fn plain(target: &Target) -> Value {
    json!({
        "hypervisor": xen(target),
        "vm": [
            vm(target, "Dom0", "vmlinux-dom0", "linux-source-6.12", Value::Null),
            vm(target, "DomU", "vmlinux-domu", "linux-source-6.1", Value::Null),
        ],
    })
}

/// The same kernel in both guests: only the domain id tells them apart.
#[must_use]
pub fn twins(target: &Target) -> Value {
    json!({
        "hypervisor": xen(target),
        "vm": [
            vm(target, "Dom0", "vmlinux-dom0", "linux-source-6.12", json!({ "guest": 0 })),
            vm(target, "DomU", "vmlinux-dom0", "linux-source-6.12", json!({ "guest": 1 })),
        ],
    })
}

/// Dom0 and two guests that run one kernel.
#[must_use]
pub fn three_guests(target: &Target) -> Value {
    json!({
        "hypervisor": xen(target),
        "vm": [
            vm(target, "Dom0", "vmlinux-dom0", "linux-source-6.12", json!({ "guest": 0 })),
            vm(target, "DomU", "vmlinux-domu", "linux-source-6.1", json!({ "guest": 1 })),
            vm(target, "DomU2", "vmlinux-domu", "linux-source-6.1", json!({ "guest": 2 })),
        ],
    })
}

/// The machine whose RAM is a file: adds that file.
#[must_use]
pub fn with_ram(mut machine: Value, file: &Path, megabytes: u64) -> Value {
    machine["target"] = json!({
        "ram": [{ "file": file, "address": 0x4000_0000u32, "size": megabytes << 20 }],
    });
    machine
}

/// The same as a file for the command line.
///
/// # Panics
/// When it cannot be written.
#[must_use]
pub fn as_file(machine: &Value, folder: &Path) -> String {
    let path = folder.join("hvdap.toml");
    std::fs::write(&path, toml(machine)).expect("the folder can be written");
    path.to_string_lossy().into_owned()
}

/// The line of a source file with this text.
///
/// # Panics
/// When there is no such file or line.
#[track_caller]
#[must_use]
pub fn line_of(path: &str, text: &str) -> u32 {
    let source = std::fs::read_to_string(path).expect("the source is there");
    let at = source.lines().position(|line| line.contains(text));
    u32::try_from(at.expect("the source has the line") + 1).expect("files are short")
}

fn xen(target: &Target) -> Value {
    json!({
        "image": target.file("xen-syms"),
        "source-map": { "/usr/src/xen-src": target.file("src/xen-src") },
    })
}

fn vm(target: &Target, name: &str, image: &str, source: &str, matched: Value) -> Value {
    let from = format!("/usr/src/{source}");
    let mut vm = json!({
        "name": name,
        "image": target.file(image),
        "source-map": { from: target.file(&format!("src/{source}")) },
    });
    if !matched.is_null() {
        vm["match"] = matched;
    }
    vm
}

/// TOML of a machine description; strings need no more than JSON's escapes.
fn toml(machine: &Value) -> String {
    let mut out = String::new();
    for (section, content) in machine.as_object().into_iter().flatten() {
        match content {
            Value::Array(all) => {
                for one in all {
                    out += &format!("[[{section}]]\n{}\n", pairs(one));
                }
            }
            one => out += &format!("[{section}]\n{}\n", pairs(one)),
        }
    }
    out
}

fn pairs(table: &Value) -> String {
    let pairs = table.as_object().into_iter().flatten();
    pairs
        .map(|(key, value)| format!("{key} = {}\n", inline(value)))
        .collect()
}

fn inline(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let pairs = map
                .iter()
                .map(|(key, value)| format!("{key:?} = {}", inline(value)));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
        }
        Value::Array(all) => {
            format!(
                "[{}]",
                all.iter().map(inline).collect::<Vec<_>>().join(", ")
            )
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_as_a_file_it_is_toml() {
        let machine = json!({
            "hypervisor": { "image": "xen", "source-map": { "/a": "b" } },
            "vm": [{ "name": "DomU", "match": { "guest": 1 } }],
        });
        let expected = "[hypervisor]\nimage = \"xen\"\nsource-map = { \"/a\" = \"b\" }\n\n\
                        [[vm]]\nmatch = { \"guest\" = 1 }\nname = \"DomU\"\n\n";
        assert_eq!(toml(&machine), expected);
    }
}
