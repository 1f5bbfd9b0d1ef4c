//! The program `hvdap`.

use std::process::ExitCode;

fn main() -> ExitCode {
    hvdap::cli::main()
}
