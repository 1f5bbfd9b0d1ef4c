use super::*;

/// Writes `text` as a machine file beside a file `k` and reads it; `expected` is the error without the folder.
fn check_refused(text: &str, expected: &str) {
    let folder = folder();
    let file = folder.join("m.toml");
    fs::write(&file, text).expect("a temporary file");
    let error = read_machine(Some(&file), None).expect_err("must be refused");
    let said = error
        .to_string()
        .replace(&format!("{}/", folder.display()), "");
    assert!(said.starts_with(expected), "{said}");
    fs::remove_dir_all(folder).expect("removed");
}

fn folder() -> PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!(
        "hvdap-config-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    let folder = std::env::temp_dir().join(name);
    fs::create_dir_all(&folder).expect("a temporary folder");
    fs::write(folder.join("k"), "").expect("a temporary file");
    folder
}

#[test]
fn mistakes_are_shown_where_they_stand() {
    check_refused(
        "[target]\nconect = 'gdb:x:1'",
        "m.toml:2:1: unknown field `conect`, expected one of `connect`, `launch`, `ram`",
    );
    check_refused(
        "[target]\nconnect = 'gdb:x:1'\n[[vm]]\nname = 'a'\nimage = 'missing'",
        "m.toml:5:9: missing cannot be read: No such file",
    );
    check_refused(
        "[target]\nconnect = 'gdb:x:1'\n[[vm]]\nname = 'a'\nprograms = [\n  'k',\n  'missing' ]",
        "m.toml:7:3: missing cannot be read: No such file",
    );
    check_refused(
        "[target]\nconnect = 5",
        "m.toml:2:11: invalid type: integer `5`, expected a string",
    );
    check_refused(
        "[target]\nconnect = 'gdb:x:1'\n[[vm]]\nimage = 'k'",
        "m.toml:3:1: missing field `name`",
    );
    check_refused(
        "[target]\nconnect = 'gdb:x:1'\n[hypervisor]\nkind = 'vmware'",
        "m.toml:4:8: unknown variant `vmware`, expected one of `auto`, `xen`, `hvdemo`, `none`",
    );
    check_refused(
        "[[vm]]\nname = 'a'\nmatch = { vmid = 70000 }",
        "m.toml:3:18: invalid value: integer `70000`, expected u16",
    );
    check_refused(
        "[target]\nram = [{ file = 'r', address = '64 apples', size = '1M' }]",
        "m.toml:2:32: invalid value: string \"64 apples\", expected a number, or text such as",
    );
    check_refused("[target\n", "m.toml:1:8: ");
    check_refused(
        "[hypervisor]\nimage = 'k'",
        "m.toml:1:1: no target to connect to",
    );
}

#[test]
fn paths_are_relative_to_the_machine_file() {
    let folder = folder();
    let file = folder.join("m.toml");
    let text = "onDisconnect = 'halt'\n[target]\nconnect = 'snapshot:halt.core'\nram = [{ file = '../ram', address = 0x4000_0000, size = '256M' }]\n\
                [hypervisor]\nsource-map = { '/usr/src/xen' = 'xen' }\n[[vm]]\nname = 'DomU'\nmatch = { guest = 1 }\nimage = 'k'\nforce = true";
    fs::write(&file, text).expect("a temporary file");
    let config = read_machine(Some(&file), None).expect("well-formed");
    assert_eq!(
        config.connect,
        format!("snapshot:{}/halt.core", folder.display())
    );
    assert_eq!(config.on_disconnect, OnDisconnect::Halt);
    assert!(config.stop_on_attach);
    assert_eq!(
        config.ram[0],
        RamFile {
            file: folder.join("../ram"),
            address: Pa(0x4000_0000),
            size: 256 << 20
        }
    );
    assert_eq!(config.images.len(), 1);
    assert_eq!(config.images[0].path, folder.join("k"));
    assert_eq!(config.images[0].place, format!("{}:10:9", file.display()));
    assert_eq!(
        config.with_place("k is not what runs"),
        format!("{}:10:9: k is not what runs", file.display())
    );
    assert_eq!(config.with_place("know"), "know");
    let setup = config.setup();
    assert_eq!(
        setup.hypervisor.source_map,
        [(
            "/usr/src/xen".to_owned(),
            folder.join("xen").display().to_string()
        )]
    );
    assert_eq!(setup.vms[0].matching, Some(setup::VmMatch::Guest(1)));
    assert!(setup.vms[0].force && setup.vms[0].has_image);
    fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn arguments_may_hold_the_machine_file_and_override_it() {
    let attach: Attach = serde_json::from_value(serde_json::json!({
        "type": "hvdap", "request": "attach", "name": "x", "noDebug": null, "target": "gdb:b:2", "onDisconnect": "halt", "stopOnAttach": false,
        "machine": { "target": { "connect": "gdb:a:1" }, "vm": [{ "name": "one", "match": { "vmid": 2 } }] }
    }))
    .expect("what editors send");
    let config = read_attach(&attach).expect("well-formed");
    assert_eq!(config.connect, "gdb:b:2");
    assert_eq!(config.on_disconnect, OnDisconnect::Halt);
    assert!(!config.stop_on_attach);
    assert_eq!(config.setup().vms[0].name, "one");

    let wrong = Attach {
        machine: Some(serde_json::json!({ "vms": [] })),
        ..Attach::default()
    };
    let error = read_attach(&wrong).expect_err("a mistyped key");
    assert!(
        error
            .to_string()
            .starts_with("machine: unknown field `vms`, expected one of"),
        "{error}"
    );
}

#[test]
fn quantities() {
    use super::super::Quantity;
    let check = |text: &str, expected: Option<u64>| {
        assert_eq!(
            serde_json::from_value(Value::from(text)).ok(),
            expected.map(Quantity)
        );
    };
    check("0x4000_0000", Some(0x4000_0000));
    check("256M", Some(256 << 20));
    check("3G", Some(3 << 30));
    check("12", Some(12));
    check("0x1K", Some(1024));
    check("", None);
    check("-1", None);
    check("99999999999G", None);
}
