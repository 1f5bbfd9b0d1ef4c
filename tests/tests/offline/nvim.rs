//! The README's configuration for Neovim: it starts an adapter that serves and ends, and a real nvim-dap debugs two VMs with it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use journeys::clients::known;
use journeys::demo;
use journeys::samples::Folder;
use journeys::skip::{leave_out, skip};
use journeys::target::root;
use journeys::{Adapter, adapter};
use serde_json::{Value, json};

/// The Lua lines of the README's section.
fn documented() -> String {
    let readme = std::fs::read_to_string(root().join("README.md")).expect("the README is there");
    let (_, section) = readme
        .split_once("### Neovim")
        .expect("it has a section on Neovim");
    let (_, block) = section.split_once("```lua\n").expect("with a block of Lua");
    let (lua, _) = block.split_once("```").expect("that ends");
    lua.to_owned()
}

/// The arguments in it, `${port}` not filled in.
fn documented_arguments() -> Vec<String> {
    let lua = documented();
    let (_, list) = lua.split_once("args = {").expect("it has arguments");
    let (list, _) = list.split_once(" }").expect("in a list");
    let quoted = list.split('\'').skip(1).step_by(2);
    quoted.map(str::to_owned).collect()
}

/// A port nobody listens on, found as nvim-dap finds it.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it has an address").port()
}

fn script() -> PathBuf {
    root().join("tests/editors/nvim.lua")
}

/// Neovim without the user's set-up, in that folder; `None` where there is none.
fn nvim(folder: &Folder) -> Option<Command> {
    if Command::new("nvim").arg("--version").output().is_err() {
        skip("nvim is not installed");
        return None;
    }
    // Whatever goes wrong in a headless Neovim leaves it waiting.
    let mut command = Command::new("timeout");
    command
        .args(["120", "nvim", "--headless", "-u", "NONE", "-n"])
        .current_dir(folder.path(""));
    for kind in ["CACHE", "CONFIG", "DATA", "STATE"] {
        command.env(format!("XDG_{kind}_HOME"), folder.path("xdg"));
    }
    Some(command)
}

#[test]
fn the_documented_command_serves_until_the_editor_left() {
    let port = free_port();
    let arguments: Vec<String> = documented_arguments()
        .iter()
        .map(|argument| argument.replace("${port}", &port.to_string()))
        .collect();
    let folder = Folder::new("nvim-command");
    let machine = demo::project(&folder.path("project"));
    let mut adapter = Adapter::listening(&arguments);
    let configuration =
        json!({ "type": "hvdap", "request": "attach", "name": "Xen machine", "machine": machine });
    let client = known::nvim_dap();
    let opened = client.attach(&mut adapter, "attach", &configuration, 2);
    let seen = client.select(opened.vm("blinky"), "vCPU 0");
    assert_eq!(seen.functions()[0], "sample_store");
    client.leave(&opened.root);
    opened.children_end();
    let status = adapter.ended(Duration::from_secs(15));
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
}

#[test]
fn the_documented_configuration_is_one() {
    let folder = Folder::new("nvim-configuration");
    let Some(mut nvim) = nvim(&folder) else {
        return;
    };
    let configuration = folder.file("configuration.lua", documented().as_bytes());
    let check = format!(
        "package.preload.dap = function() return {{ adapters = {{}}, configurations = {{}} }} end
         dofile('{}')
         assert(loadfile('{}'))
         local dap = require('dap')
         io.stderr:write(vim.fn.json_encode({{ dap.adapters.hvdap, dap.configurations.c[1] }}))
         vim.cmd('qa!')",
        configuration.display(),
        script().display()
    );
    let check = folder.file("check.lua", check.as_bytes());
    let output = nvim.arg("-c").arg(format!("luafile {}", check.display()));
    let output = output.output().expect("nvim runs");
    let said = String::from_utf8_lossy(&output.stderr);
    let said: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"));
    let (adapter, attach) = (&said[0], &said[1]);
    assert_eq!(adapter["type"], "server");
    assert_eq!(adapter["host"], "127.0.0.1");
    assert_eq!(adapter["port"], "${port}");
    assert_eq!(adapter["executable"]["command"], "hvdap");
    assert_eq!(adapter["executable"]["args"], json!(documented_arguments()));
    assert_eq!(attach["type"], "hvdap");
    assert_eq!(attach["request"], "attach");
    assert_eq!(attach["machine"], "${workspaceFolder}/hvdap.toml");
}

#[test]
fn nvim_dap_debugs_two_vms() {
    let Some(plugin) = std::env::var_os("NVIM_DAP_DIR") else {
        return leave_out("NVIM_DAP_DIR does not name a checkout of nvim-dap");
    };
    let plugin = Path::new(&plugin);
    assert!(
        plugin.join("lua/dap.lua").is_file(),
        "NVIM_DAP_DIR has no lua/dap.lua: {}",
        plugin.display()
    );
    let folder = Folder::new("nvim-dap");
    let Some(mut nvim) = nvim(&folder) else {
        return;
    };
    let machine = demo::project(&folder.path("project"));
    let project = machine.parent().expect("it is in its project");
    std::os::unix::fs::symlink(adapter::program(), folder.path("hvdap")).expect("a new folder");
    let configuration = folder.file("configuration.lua", documented().as_bytes());
    let path = std::env::var("PATH").unwrap_or_default();
    let output = nvim
        .current_dir(project)
        .env("PATH", format!("{}:{path}", folder.path("").display()))
        .env("HVDAP_NVIM_CONFIG", configuration)
        .arg("--cmd")
        .arg(format!("set rtp^={}", plugin.display()))
        .arg("-c")
        .arg(format!("luafile {}", script().display()))
        .output()
        .expect("nvim runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("passed"), "{said}");
}
