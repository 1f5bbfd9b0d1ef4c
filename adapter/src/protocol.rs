//! Structures of the Debug Adapter Protocol (1.71) that the `dap` crate lacks, or reads or writes wrongly.
//!
//! A field of `None` is left out on the wire: [`Peer`](crate::wire::Peer) drops nulls. The rest comes from `dap` itself.

use serde::{Deserialize, Serialize};

/// What a client says of itself.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Client {
    /// Its name, such as `vscode`; not every client has one.
    #[serde(rename = "clientID")]
    pub id: Option<String>,
    /// Whether its line numbers start at 1.
    pub lines_start_at1: Option<bool>,
    /// Whether its column numbers start at 1.
    pub columns_start_at1: Option<bool>,
    /// It asks for parts of large values.
    pub supports_variable_paging: bool,
    /// It shows progress.
    pub supports_progress_reporting: bool,
    /// It asks again for what is declared invalid.
    pub supports_invalidated_event: bool,
    /// It can start a session for each VM.
    pub supports_start_debugging_request: bool,
}

impl Client {
    /// VS Code and what is built on it.
    #[must_use]
    pub fn is_vscode(&self) -> bool {
        self.id.as_deref() == Some("vscode")
    }

    /// Eclipse's LSP4E, which opens files only and shows nothing of what became of a breakpoint.
    #[must_use]
    pub fn is_lsp4e(&self) -> bool {
        self.id.as_deref() == Some("lsp4e.debug")
    }
}

/// A source file, or text that stands for one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Source {
    /// Short name.
    pub name: Option<String>,
    /// The file.
    pub path: Option<String>,
    /// Asks the adapter for the text, when above 0.
    pub source_reference: Option<i32>,
    /// `normal`, `emphasize`, `deemphasize`.
    pub presentation_hint: Option<String>,
    /// Where it is from.
    pub origin: Option<String>,
}

/// Arguments of `setBreakpoints`.
#[derive(Clone, Debug, Deserialize)]
pub struct SetBreakpoints {
    /// The file.
    pub source: Source,
    /// All that are wanted there.
    pub breakpoints: Option<Vec<SourceBreakpoint>>,
    /// The older form.
    pub lines: Option<Vec<i64>>,
}

/// A breakpoint of `setBreakpoints`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceBreakpoint {
    /// The line.
    pub line: i64,
    #[serde(flatten)]
    #[allow(missing_docs, reason = "what it says")]
    pub conditions: Conditions,
}

/// Arguments of `setFunctionBreakpoints`.
#[derive(Clone, Debug, Deserialize)]
pub struct SetFunctionBreakpoints {
    /// All that are wanted.
    pub breakpoints: Vec<FunctionBreakpoint>,
}

/// A breakpoint of `setFunctionBreakpoints`.
#[derive(Clone, Debug, Deserialize)]
pub struct FunctionBreakpoint {
    /// `function` or `vm!function`.
    pub name: String,
    #[serde(flatten)]
    #[allow(missing_docs, reason = "what it says")]
    pub conditions: Conditions,
}

/// Arguments of `setInstructionBreakpoints`.
#[derive(Clone, Debug, Deserialize)]
pub struct SetInstructionBreakpoints {
    /// All that are wanted.
    pub breakpoints: Vec<InstructionBreakpoint>,
}

/// A breakpoint of `setInstructionBreakpoints`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstructionBreakpoint {
    /// `0x…`.
    pub instruction_reference: String,
    /// Bytes from there.
    #[serde(default)]
    pub offset: i64,
    #[serde(flatten)]
    #[allow(missing_docs, reason = "what it says")]
    pub conditions: Conditions,
}

/// When a breakpoint stops.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Conditions {
    /// A C expression.
    pub condition: Option<String>,
    /// Which hits.
    pub hit_condition: Option<String>,
    /// Text to print instead of stopping.
    pub log_message: Option<String>,
    /// A [`BreakpointMode`].
    pub mode: Option<String>,
}

/// A breakpoint as it came out.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Breakpoint {
    /// Its number.
    pub id: Option<u32>,
    /// Whether it is installed.
    pub verified: bool,
    /// Where, or why not.
    pub message: Option<String>,
    /// Its file.
    pub source: Option<Source>,
    /// Its line.
    pub line: Option<i64>,
    /// Its first address.
    pub instruction_reference: Option<String>,
    /// `pending` or `failed`.
    pub reason: Option<&'static str>,
}

/// A choice of what a breakpoint is for.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BreakpointMode {
    /// Its name.
    pub mode: String,
    /// Its name for the user.
    pub label: String,
    /// To which kinds it applies.
    pub applies_to: Vec<&'static str>,
}

/// A thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Thread {
    /// Its number.
    pub id: u32,
    /// What and where it is.
    pub name: String,
}

/// A frame of a stack.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StackFrame {
    /// Its number.
    pub id: i32,
    /// Function.
    pub name: String,
    /// File.
    pub source: Option<Source>,
    /// Line, 0 without a source.
    pub line: i64,
    /// Column, 0 without a source.
    pub column: i64,
    /// Address.
    pub instruction_pointer_reference: Option<String>,
    /// The image it is in.
    pub module_id: Option<String>,
    /// `normal`, `label`, `subtle`.
    pub presentation_hint: Option<&'static str>,
}

/// A group of variables.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Scope {
    /// What the user reads.
    pub name: String,
    /// `locals`, `registers`.
    pub presentation_hint: Option<&'static str>,
    /// Asks for its content.
    pub variables_reference: i32,
    /// How many have names.
    pub named_variables: Option<i32>,
    /// Whether it is slow to get.
    pub expensive: bool,
}

/// A named value; also the body of an `evaluate` response, where the value is called `result`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its text.
    pub value: String,
    #[serde(flatten)]
    #[allow(missing_docs, reason = "what it says")]
    pub shape: Shape,
    /// An expression that gives it again.
    pub evaluate_name: Option<String>,
}

/// Body of an `evaluate` response.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Evaluated {
    /// Its text.
    pub result: String,
    #[serde(flatten)]
    #[allow(missing_docs, reason = "what it says")]
    pub shape: Shape,
}

/// What a value is and what is in it.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shape {
    /// Its type.
    #[serde(rename = "type")]
    pub type_name: Option<String>,
    /// Asks for what is in it, when above 0.
    pub variables_reference: i32,
    /// How many members it has.
    pub named_variables: Option<i32>,
    /// How many elements.
    pub indexed_variables: Option<i32>,
    /// Where it lies.
    pub memory_reference: Option<String>,
}

/// One instruction of a listing.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DisassembledInstruction {
    /// Its address.
    pub address: String,
    /// Its bytes in hexadecimal.
    pub instruction_bytes: Option<String>,
    /// Its text.
    pub instruction: String,
    /// The symbol that starts here.
    pub symbol: Option<String>,
    /// The file it is from, where that changes.
    pub location: Option<Source>,
    /// Its line, where that changes.
    pub line: Option<i64>,
    /// `invalid` when it is not code that can be read.
    pub presentation_hint: Option<&'static str>,
}

/// Arguments of `stackTrace`; `format` is not honoured.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StackTrace {
    /// Whose.
    pub thread_id: u32,
    /// The first frame wanted.
    #[serde(default)]
    pub start_frame: u32,
    /// How many, 0 for all.
    #[serde(default)]
    pub levels: u32,
}

/// Arguments of `evaluate`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evaluate {
    /// What.
    pub expression: String,
    /// Where.
    pub frame_id: Option<i64>,
    /// For what.
    pub context: Option<String>,
}
