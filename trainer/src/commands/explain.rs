//! `llamarec explain`: one forward pass over any text, everything the verbalizer sees.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use clap::Args;
use serde_json::json;
use shared::{ranker::Explanation, verbalizer::letter};

use super::base::BaseArgs;
use crate::{
    cli::Common,
    report::{Printer, UserError},
    train::ranker::judge::check_finite,
};

/// Arguments of `llamarec explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// File with the text, read as it is to its last byte; `-` is standard input
    #[arg(long, value_name = "F")]
    prompt_file: PathBuf,
    /// How many of the vocabulary's largest logits to print
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
    #[command(flatten)]
    base: BaseArgs,
}

/// Runs `llamarec explain`.
pub fn run(args: &ExplainArgs, common: &Common, printer: &Printer) -> anyhow::Result<()> {
    let text = read_prompt(&args.prompt_file)?;
    let ranker = args.base.load_for_letters(common.device)?;
    let explanation = pollster::block_on(ranker.explain(&text, args.top))
        .map_err(|error| UserError::input(format!("{}: {error}", args.prompt_file.display())))?;
    check_finite(&explanation.letter_logits)?;
    let label_ids = ranker.verbalizer().label_ids();
    if common.json {
        let object = json!({
            "token_ids": explanation.encoded.ids,
            "label_ids": label_ids,
            "letter_logits": explanation.letter_logits,
            "letter_mass": explanation.letter_mass,
            "top": explanation.top,
        });
        printer.result(&object.to_string());
    } else {
        print(&explanation, label_ids, printer);
    }
    Ok(())
}

/// The text of a file, or of standard input if it is named `-`.
///
/// # Errors
/// A file that cannot be read or is not UTF-8.
pub(super) fn read_prompt(file: &Path) -> Result<String, UserError> {
    let bytes = if file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        fs::read(file)
    };
    let name = file.display();
    let bytes = bytes.map_err(|error| UserError::input(format!("cannot read {name}: {error}")))?;
    String::from_utf8(bytes).map_err(|error| {
        UserError::input(format!("{name} is not UTF-8: {error}")).hint("save it as UTF-8 text")
    })
}

fn print(explanation: &Explanation, label_ids: &[u32], printer: &Printer) {
    printer.result(&format!("{} tokens: {:?}", explanation.encoded.ids.len(), explanation.encoded.ids));
    printer.result("\nletter  token id    logit");
    for (n, (id, logit)) in label_ids.iter().zip(&explanation.letter_logits).enumerate() {
        printer.result(&format!("{:>6}  {id:>8}  {logit:>7.4}", letter(n)));
    }
    if let Some(mass) = explanation.letter_mass {
        printer.result(&format!("\nThe letters hold {:.1} % of the vocabulary's probability.", mass * 100.0));
        printer.result("\ntoken id    logit  token");
        for entry in &explanation.top {
            printer.result(&format!("{:>8}  {:>7.4}  {:?}", entry.id, entry.logit, entry.token));
        }
    }
}
