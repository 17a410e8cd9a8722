//! What comes with an installed program: completions for shells, and manual pages. Both are made
//! of the command line's own definition, so that they can't differ from it.

use clap::CommandFactory;
use clap_complete::generate;
use clap_mangen::Man;

use super::cli::{Cli, CompletionsArgs, ManArgs};

const PROGRAM: &str = env!("CARGO_PKG_NAME");

/// The script for a shell.
pub(super) fn completions(args: &CompletionsArgs) -> String {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), PROGRAM, &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The manual page, in section 1, of the program or of one of its commands.
///
/// # Errors
///
/// That there is no such command.
pub(super) fn page(args: &ManArgs) -> Result<String, String> {
    let mut program = Cli::command();
    program.build();
    let command = match &args.command {
        None => program,
        Some(name) => program
            .find_subcommand(name)
            .cloned()
            .ok_or_else(|| format!("there is no command `{name}`"))?,
    };
    let mut page = Vec::new();
    Man::new(command)
        .source(concat!(
            env!("CARGO_PKG_NAME"),
            " ",
            env!("CARGO_PKG_VERSION")
        ))
        .render(&mut page)
        .map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

#[cfg(test)]
mod tests {
    use clap_complete::Shell;

    use super::*;

    fn page_of(command: Option<&str>) -> Result<String, String> {
        page(&ManArgs {
            command: command.map(str::to_owned),
        })
    }

    #[test]
    fn every_shell_completes_the_commands() {
        for shell in [
            Shell::Bash,
            Shell::Elvish,
            Shell::Fish,
            Shell::PowerShell,
            Shell::Zsh,
        ] {
            let script = completions(&CompletionsArgs { shell });
            for word in ["publish", "bootstrap-servers"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }

    #[test]
    fn each_command_has_a_page_with_its_arguments() {
        let whole = page_of(None).unwrap();
        assert!(whole.contains(".TH payment-notifier 1"), "{whole}");
        assert!(whole.contains("Exit codes"), "{whole}");
        let publish = page_of(Some("publish")).unwrap();
        assert!(
            publish.contains(".TH payment-notifier-publish 1"),
            "{publish}"
        );
        assert!(publish.contains(env!("CARGO_PKG_VERSION")), "{publish}");
        assert!(publish.contains("skip\\-invalid"), "{publish}");
        assert!(page_of(Some("pubilsh")).is_err());
    }
}
