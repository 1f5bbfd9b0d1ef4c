//! The editors, a row each. To add one: a function here and its name in [`all`].
//!
//! VS Code, nvim-dap, dape and Helix as logged from the real programs, the others as read in their source; what nobody noted
//! is filled in as most do it.

use serde_json::{Value, json};

use super::{ChildVerb, Client, Looks, Resumes};
use crate::session::{Children, Habits};

/// Every editor.
#[must_use]
pub fn all() -> Vec<Client> {
    vec![
        vs_code(),
        nvim_dap(),
        nvim_dap_0_6(),
        lsp4e(),
        dape(),
        helix(),
        zed(),
        lsp4ij(),
        theia(),
        kate(),
        sublime(),
    ]
}

/// What most do; each row names where it differs.
fn plain(name: &'static str, says: Value) -> Client {
    Client {
        name,
        says,
        habits: Habits::default(),
        adds: json!({}),
        child: ChildVerb::Asked,
        configures: Vec::new(),
        looks: Looks {
            frames: &[(0, 0)],
            every_thread: false,
            watch: json!({ "context": "watch" }),
            expensive: false,
        },
        resumes: Resumes::Once,
        leaves: vec![("disconnect", json!({ "restart": false }))],
    }
}

/// Sent by some though no filter is offered.
fn no_filters() -> (&'static str, Value) {
    ("setExceptionBreakpoints", json!({ "filters": [] }))
}

/// Kills what it attached to, if it were let: so do others on attached sessions.
fn stop_with_debuggee() -> Vec<(&'static str, Value)> {
    let arguments = json!({ "restart": false, "terminateDebuggee": true });
    vec![("disconnect", arguments)]
}

/// VS Code 1.139.
#[must_use]
pub fn vs_code() -> Client {
    let says = json!({
        "clientID": "vscode", "clientName": "Visual Studio Code", "adapterID": "hvdap", "locale": "en", "pathFormat": "path",
        "linesStartAt1": true, "columnsStartAt1": true, "supportsVariableType": true, "supportsVariablePaging": true,
        "supportsRunInTerminalRequest": true, "supportsProgressReporting": true, "supportsInvalidatedEvent": true,
        "supportsMemoryReferences": true, "supportsArgsCanBeInterpretedByShell": true, "supportsMemoryEvent": true,
        "supportsStartDebuggingRequest": true, "supportsANSIStyling": true,
    });
    let mut client = plain("VS Code", says);
    client.habits.children = Children::AnsweredLater;
    client.adds = json!({ "__sessionId": "4e0c6a0e-0000-4000-8000-000000000000" });
    client.configures = vec![
        ("setFunctionBreakpoints", json!({ "breakpoints": [] })),
        ("setInstructionBreakpoints", json!({ "breakpoints": [] })),
    ];
    client.looks.frames = &[(0, 1), (1, 19)];
    client.leaves = stop_with_debuggee();
    client
}

/// nvim-dap since 0.7.
#[must_use]
pub fn nvim_dap() -> Client {
    let says = json!({
        "clientID": "neovim", "clientName": "neovim", "adapterID": "nvim-dap", "locale": "en_US.UTF-8", "pathFormat": "path",
        "linesStartAt1": true, "columnsStartAt1": true, "supportsVariableType": true, "supportsRunInTerminalRequest": true,
        "supportsProgressReporting": true, "supportsStartDebuggingRequest": true,
    });
    let mut client = plain("nvim-dap", says);
    client.looks.watch = json!({ "context": "repl" });
    client
}

/// nvim-dap 0.6, which misspells who it is.
#[must_use]
pub fn nvim_dap_0_6() -> Client {
    let mut client = nvim_dap();
    client.name = "nvim-dap 0.6";
    let says = client.says.as_object_mut().expect("an object");
    says.remove("clientID");
    says.remove("clientName");
    says.insert("clientId".to_owned(), json!("neovim"));
    says.insert("clientname".to_owned(), json!("neovim"));
    client
}

/// Eclipse's LSP4E, by lsp4j.
#[must_use]
pub fn lsp4e() -> Client {
    let says = json!({
        "clientID": "lsp4e.debug", "clientName": "Eclipse", "adapterID": "adapterId", "pathFormat": "path",
        "linesStartAt1": true, "columnsStartAt1": true, "supportsVariableType": true, "supportsVariablePaging": true,
        "supportsRunInTerminalRequest": true, "supportsStartDebuggingRequest": true,
    });
    let mut client = plain("LSP4E", says);
    client.habits.children = Children::BlockTheReader;
    client.adds = json!({ "noDebug": false });
    client.child = ChildVerb::Inside;
    client.looks = Looks {
        frames: &[(0, 20)],
        every_thread: false,
        watch: json!({}),
        expensive: true,
    };
    client.leaves = vec![("disconnect", json!({ "terminateDebuggee": true }))];
    client
}

/// Emacs' dape 0.27.
#[must_use]
pub fn dape() -> Client {
    let says = json!({
        "clientID": "dape", "adapterID": "hvdap", "pathFormat": "path", "linesStartAt1": true, "columnsStartAt1": true,
        "supportsRunInTerminalRequest": true, "supportsMemoryReferences": true, "supportsStartDebuggingRequest": true,
    });
    let mut client = plain("dape", says);
    client.configures = vec![no_filters()];
    client.looks.frames = &[(0, 1), (1, 19)];
    client
}

/// Helix 25.07, which does not say that it could start sessions.
#[must_use]
pub fn helix() -> Client {
    let says = json!({
        "clientID": "hx", "clientName": "helix", "adapterID": "hvdap", "locale": "en-us", "pathFormat": "path",
        "linesStartAt1": true, "columnsStartAt1": true, "supportsVariableType": true, "supportsVariablePaging": false,
        "supportsRunInTerminalRequest": true, "supportsMemoryReferences": false, "supportsProgressReporting": false,
        "supportsInvalidatedEvent": false,
    });
    let mut client = plain("Helix", says);
    client.looks.every_thread = true;
    client.looks.expensive = true;
    client.leaves = vec![("terminate", json!({})), ("disconnect", Value::Null)];
    client
}

/// Zed.
#[must_use]
pub fn zed() -> Client {
    let says = json!({
        "clientID": "zed", "clientName": "Zed", "adapterID": "hvdap", "locale": "en-US", "pathFormat": "path",
        "linesStartAt1": true, "columnsStartAt1": true, "supportsVariableType": true, "supportsVariablePaging": false,
        "supportsRunInTerminalRequest": true, "supportsMemoryReferences": true, "supportsProgressReporting": false,
        "supportsInvalidatedEvent": false, "supportsStartDebuggingRequest": true,
    });
    let mut client = plain("Zed", says);
    client.resumes = Resumes::SingleThread;
    client.configures = vec![no_filters()];
    client.looks.expensive = true;
    client.leaves = vec![
        ("terminate", json!({ "restart": false })),
        ("disconnect", json!({ "terminateDebuggee": true })),
    ];
    client
}

/// LSP4IJ of the IDEs of JetBrains.
#[must_use]
pub fn lsp4ij() -> Client {
    let says = json!({
        "clientID": "lsp4ij.debug", "clientName": "LSP4IJ", "adapterID": "hvdap", "pathFormat": "path",
        "linesStartAt1": true, "columnsStartAt1": true, "supportsVariableType": true, "supportsVariablePaging": false,
        "supportsRunInTerminalRequest": true, "supportsStartDebuggingRequest": true,
    });
    let mut client = plain("LSP4IJ", says);
    client.child = ChildVerb::Parents;
    client.looks.expensive = true;
    client.leaves = stop_with_debuggee();
    client
}

/// Theia.
#[must_use]
pub fn theia() -> Client {
    let says = json!({
        "clientID": "Theia", "clientName": "Theia IDE", "adapterID": "hvdap", "locale": "en-US", "pathFormat": "path",
        "linesStartAt1": true, "columnsStartAt1": true, "supportsVariableType": false, "supportsVariablePaging": false,
        "supportsRunInTerminalRequest": true,
    });
    let mut client = plain("Theia", says);
    client.resumes = Resumes::EachThread;
    client.configures = vec![no_filters()];
    client.looks.frames = &[(0, 1), (1, 19)];
    client.leaves = stop_with_debuggee();
    client
}

/// Kate, which does not say who it is.
#[must_use]
pub fn kate() -> Client {
    let says = json!({
        "adapterID": "qdap", "locale": "en", "pathFormat": "path", "linesStartAt1": true, "columnsStartAt1": true,
        "supportsVariableType": true, "supportsVariablePaging": false, "supportsRunInTerminalRequest": false,
        "supportsMemoryReferences": false, "supportsProgressReporting": false, "supportsInvalidatedEvent": false,
        "supportsMemoryEvent": false,
    });
    let mut client = plain("Kate", says);
    client.habits = Habits {
        children: Children::Ignored,
        indented: true,
    };
    client.looks.expensive = true;
    client.leaves = stop_with_debuggee();
    client
}

/// Sublime Debugger.
#[must_use]
pub fn sublime() -> Client {
    let says = json!({
        "clientID": "sublime", "clientName": "Sublime Text", "adapterID": "hvdap", "pathFormat": "path",
        "linesStartAt1": true, "columnsStartAt1": true, "supportsVariableType": true, "supportsVariablePaging": false,
        "supportsRunInTerminalRequest": true, "supportsMemoryReferences": true,
    });
    let mut client = plain("Sublime Debugger", says);
    client.habits.children = Children::Refused;
    client.leaves = vec![("terminate", Value::Null), ("disconnect", Value::Null)];
    client
}
