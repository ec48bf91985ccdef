//! A Hugging Face folder as a GGUF file, one tensor at a time, so that a model larger than memory passes.

mod tensors;

use std::{
    fs,
    io::{BufWriter, Write},
    path::Path,
};

use anyhow::Context;
use shared::{
    llama::LlamaConfig,
    quant::Format,
    tokens::Tokens,
    weights::{gguf_writer, hugging_face},
};

use crate::{
    files::temporary_in,
    report::{Printer, UserError},
};
use tensors::Tensors;

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Tensors written.
    pub tensors: usize,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Writes the model in `folder` to `out` with matrices in `format`. `out` appears only when it is whole.
///
/// # Errors
/// A folder without config.json, tokenizer.json or weights, a model that this crate would compute wrongly, a
/// tensor of another shape than the config says, a disk that is full.
pub fn import(folder: &Path, out: &Path, format: Format, printer: &Printer) -> anyhow::Result<Imported> {
    let of_folder = |error: &dyn std::fmt::Display| {
        UserError::input(format!("model {}: {error}", folder.display()))
            .hint("give the folder of a LlamaForCausalLM checkpoint as transformers saves it")
    };
    let json = text(folder, "config.json")?;
    let (config, tied) = LlamaConfig::from_hugging_face(&json).map_err(|error| of_folder(&error))?;
    let end = end_of_text(&json);
    let tokenizer = text(folder, "tokenizer.json")?;
    Tokens::from_json(&tokenizer).map_err(|error| of_folder(&error))?;
    let mut tensors = Tensors::open(folder)?;
    // Some checkpoints carry the tied head as well.
    let tied = tied || !tensors.has("lm_head.weight");
    let plan = hugging_face::plan(&config, tied, format);
    for step in &plan {
        tensors.check(&step.from, step.to.shape).map_err(|error| of_folder(&error))?;
    }
    let name = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let name = name.file_name().map_or("imported".into(), |name| name.to_string_lossy().into_owned());
    let metadata = hugging_face::metadata(&config, &name, tokenizer, end);
    let entries: Vec<_> = plan.iter().map(|step| step.to.clone()).collect();
    let header = gguf_writer::header(&metadata, &entries).map_err(|error| of_folder(&error))?;

    let beside = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let cannot = || format!("cannot write {}", out.display());
    fs::create_dir_all(beside).with_context(cannot)?;
    let mut file = temporary_in(beside).with_context(cannot)?;
    let mut writer = BufWriter::new(file.as_file_mut());
    writer.write_all(&header).with_context(cannot)?;
    let mut bytes = header.len() as u64;
    let bar = printer.steps_bar(plan.len() as u64, "tensors");
    for step in &plan {
        let mut converted = step.convert(tensors.read(&step.from)?);
        converted.resize(converted.len() + gguf_writer::padding(converted.len()), 0);
        writer.write_all(&converted).with_context(cannot)?;
        bytes += converted.len() as u64;
        bar.inc(1);
    }
    bar.finish_and_clear();
    writer.flush().with_context(cannot)?;
    drop(writer);
    file.as_file().sync_all().with_context(cannot)?;
    file.persist(out).with_context(cannot)?;
    Ok(Imported { tensors: plan.len(), bytes })
}

/// The token that ends a text, the first of them if there are several.
fn end_of_text(config: &str) -> Option<u32> {
    let config: serde_json::Value = serde_json::from_str(config).ok()?;
    let id = &config["eos_token_id"];
    id.as_u64().or_else(|| id[0].as_u64())?.try_into().ok()
}

fn text(folder: &Path, name: &str) -> anyhow::Result<String> {
    let path = folder.join(name);
    Ok(fs::read_to_string(&path).map_err(|error| {
        UserError::input(format!("cannot read {}: {error}", path.display())).hint(
            "the folder needs config.json, tokenizer.json and model.safetensors \
             (or model.safetensors.index.json and its parts)",
        )
    })?)
}
