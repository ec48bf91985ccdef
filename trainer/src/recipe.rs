//! Settings in layers: defaults, a recipe, the checkpoint of a run that goes on, options. Every value knows
//! where it came from, and what is printed is what is used.

use std::{collections::BTreeMap, fmt, fs, marker::PhantomData, path::Path};

use serde::{Serialize, de::DeserializeOwned};
use toml::{Table, Value};

use crate::report::UserError;

/// Recipes compiled in, by name.
const BUILT_IN: [(&str, &str); 5] = [
    ("movielens", include_str!("../recipes/movielens.toml")),
    ("ml-100k", include_str!("../recipes/ml-100k.toml")),
    ("beauty", include_str!("../recipes/beauty.toml")),
    ("letters", include_str!("../recipes/letters.toml")),
    ("games", include_str!("../recipes/games.toml")),
];

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said otherwise.
    Default,
    /// A recipe of this name or file.
    Recipe(String),
    /// The run that goes on.
    Checkpoint,
    /// The command line.
    Option,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Recipe(name) => write!(f, "recipe {name}"),
            Self::Checkpoint => f.write_str("the run that goes on"),
            Self::Option => f.write_str("option"),
        }
    }
}

/// Settings of type `T`, a flat struct of scalars, with the origin of each.
#[derive(Clone, Debug)]
pub struct Layers<T> {
    defaults: Table,
    settings: BTreeMap<String, (Value, Origin)>,
    kind: PhantomData<T>,
}

impl<T: Serialize + DeserializeOwned> Layers<T> {
    /// Only defaults.
    pub fn new(defaults: &T) -> Self {
        let defaults = table(defaults);
        let settings =
            defaults.iter().map(|(key, value)| (key.clone(), (value.clone(), Origin::Default))).collect();
        Self { defaults, settings, kind: PhantomData }
    }

    /// Defaults under a section of a recipe.
    ///
    /// # Errors
    /// As [`section`] and [`Self::put`].
    pub fn from_recipe(defaults: &T, recipe: Option<&str>, section: &str) -> Result<Self, UserError> {
        let mut layers = Self::new(defaults);
        if let Some(recipe) = recipe {
            layers.put(self::section(recipe, section)?, &Origin::Recipe(recipe.to_owned()))?;
        }
        Ok(layers)
    }

    /// Lays the settings of a run that goes on over what is there, and the options over those again, so that
    /// only what is asked for changes. `free` are settings that may change, also when the recipe asks for it.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn go_on(&mut self, before: &T, options: Table, free: &[&str]) -> Result<(), UserError> {
        let mut asked = self.settings.clone();
        asked.retain(|key, (_, origin)| free.contains(&key.as_str()) && matches!(origin, Origin::Recipe(_)));
        self.put(table(before), &Origin::Checkpoint)?;
        self.settings.extend(asked);
        self.put(options, &Origin::Option)
    }

    /// Lays `values` over what is there.
    ///
    /// # Errors
    /// A key that is no setting (the nearest is named), or a value of the wrong kind.
    pub fn put(&mut self, values: Table, origin: &Origin) -> Result<(), UserError> {
        for (key, value) in values {
            if !self.defaults.contains_key(&key) {
                return Err(self.unknown(&key, origin));
            }
            let mut alone = self.defaults.clone();
            alone.insert(key.clone(), value.clone());
            if let Err(error) = alone.try_into::<T>() {
                let message = format!("{key} = {value} in {origin}: {}", error.message());
                return Err(UserError::usage(message)
                    .hint(format!("a value of the same kind: {key} = {}", self.defaults[&key])));
            }
            self.settings.insert(key, (value, origin.clone()));
        }
        Ok(())
    }

    fn unknown(&self, key: &str, origin: &Origin) -> UserError {
        let keys: Vec<&str> = self.defaults.keys().map(String::as_str).collect();
        let error = UserError::usage(format!("{origin} has a setting {key}, which does not exist"));
        match nearest(key, &keys) {
            Some(near) => error.hint(format!("did you mean {near}?")),
            None => error.hint(format!("the settings are {}", keys.join(", "))),
        }
    }

    /// The settings as they will be used.
    ///
    /// # Panics
    /// Never: every value was tried when it was laid in.
    pub fn resolve(&self) -> T {
        let table: Table =
            self.settings.iter().map(|(key, (value, _))| (key.clone(), value.clone())).collect();
        table.try_into().expect("every value was tried when it was laid in")
    }

    /// Where a setting came from; a default if there is no such setting.
    pub fn origin(&self, key: &str) -> &Origin {
        self.settings.get(key).map_or(&Origin::Default, |(_, origin)| origin)
    }

    /// One line `key = value  # origin` a setting: a recipe's section that gives the same settings again.
    pub fn describe(&self) -> String {
        let lines: Vec<(String, &Origin)> =
            self.settings.iter().map(|(key, (value, origin))| (format!("{key} = {value}"), origin)).collect();
        let width = lines.iter().map(|(line, _)| line.len()).max().unwrap_or(0);
        lines.iter().map(|(line, origin)| format!("{line:<width$}  # {origin}\n")).collect()
    }
}

/// A struct of settings as a table; absent options are left out.
///
/// # Panics
/// If a value is none of TOML's kinds, which no struct of settings has.
pub fn table<T: Serialize>(settings: &T) -> Table {
    Table::try_from(settings).expect("settings are numbers, words and switches")
}

/// The first setting but for those of `free` in which two runs differ: its key, then both values.
pub fn difference<T: Serialize>(one: &T, other: &T, free: &[&str]) -> Option<(String, Value, Value)> {
    let mut others = table(other);
    let differs = |(key, value): (String, Value)| {
        let other = others.remove(&key)?;
        (!free.contains(&key.as_str()) && other != value).then_some((key, value, other))
    };
    table(one).into_iter().find_map(differs)
}

/// Options of the command line as a table.
///
/// # Errors
/// A whole number above the largest that TOML has, 2^63 - 1.
pub fn options<T: Serialize>(options: &T) -> Result<Table, UserError> {
    Table::try_from(options).map_err(|error| {
        UserError::usage(format!("an option cannot be used: {error}")).hint("numbers go up to 2^63 - 1")
    })
}

/// A section of a built-in recipe or of a recipe file.
///
/// # Errors
/// No such recipe (the nearest is named), a file that is no TOML, or a recipe without that section.
pub fn section(recipe: &str, section: &str) -> Result<Table, UserError> {
    let built_in = BUILT_IN.iter().find(|(name, _)| *name == recipe);
    let text = match built_in {
        Some((_, text)) => (*text).to_owned(),
        None => read(recipe)?,
    };
    let mut table: Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(0, |span| text[..span.start].lines().count().max(1));
        UserError::input(format!("recipe {recipe} line {line}: {}", error.message()))
            .hint("a recipe is TOML: sections in brackets, then key = value lines")
    })?;
    if let Some(other) = table.keys().find(|key| !matches!(key.as_str(), "retriever" | "ranker")) {
        let message =
            format!("recipe {recipe} has a section or key {other} outside of [retriever] and [ranker]");
        return Err(UserError::usage(message).hint("put settings of the retriever below a line [retriever]"));
    }
    match table.remove(section) {
        None => {
            let has = |text: &str| text.lines().any(|line| line == format!("[{section}]"));
            let others: Vec<&str> =
                BUILT_IN.iter().filter(|(_, text)| has(text)).map(|(name, _)| *name).collect();
            Err(UserError::usage(format!("recipe {recipe} has no section [{section}]"))
                .hint(format!("leave --recipe out, or give one that has: {}", others.join(", "))))
        }
        Some(Value::Table(table)) => Ok(table),
        Some(_) => Err(UserError::usage(format!("recipe {recipe}: {section} is no section"))
            .hint(format!("write a line [{section}] and its settings below"))),
    }
}

fn read(recipe: &str) -> Result<String, UserError> {
    let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
    let path = Path::new(recipe);
    if !path.is_file() {
        let message = format!("there is no recipe {recipe}");
        let known = format!("built-in recipes are {}; a path names a file", names.join(", "));
        return Err(UserError::input(message).hint(match nearest(recipe, &names) {
            Some(near) => format!("did you mean {near}? {known}"),
            None => known,
        }));
    }
    fs::read_to_string(path)
        .map_err(|error| UserError::input(format!("cannot read recipe {recipe}: {error}")))
}

/// The name most like `word`, if one is like it.
fn nearest<'a>(word: &str, names: &[&'a str]) -> Option<&'a str> {
    let likeness = |name: &&str| strsim::jaro_winkler(word, name);
    names
        .iter()
        .copied()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
        .filter(|name| likeness(name) > 0.75)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Settings {
        dropout: f64,
        steps: usize,
        model: String,
    }

    fn layers() -> Layers<Settings> {
        Layers::new(&Settings { dropout: 0.2, steps: 100, model: "lrurec".to_owned() })
    }

    fn toml(text: &str) -> Table {
        text.parse().expect("TOML")
    }

    #[test]
    fn later_layers_win_and_origins_are_kept() {
        let mut layers = layers();
        layers.put(toml("dropout = 0.5\nsteps = 7"), &Origin::Recipe("mine".to_owned())).expect("known keys");
        layers.put(toml("steps = 9"), &Origin::Option).expect("known keys");
        assert_eq!(layers.resolve(), Settings { dropout: 0.5, steps: 9, model: "lrurec".to_owned() });
        assert_eq!(
            layers.describe(),
            "dropout = 0.5     # recipe mine\nmodel = \"lrurec\"  # default\nsteps = 9         # option\n"
        );
        let again: Settings = toml(&layers.describe()).try_into().expect("a recipe's section");
        assert_eq!(again, layers.resolve());
    }

    #[test]
    fn a_run_that_goes_on_changes_only_as_it_is_asked() {
        let mut layers = layers();
        layers.put(toml("dropout = 0.5\nsteps = 7"), &Origin::Recipe("mine".to_owned())).expect("known keys");
        let before = Settings { dropout: 0.1, steps: 5, model: "narm".to_owned() };
        let mut again = layers.clone();
        again.go_on(&before, Table::new(), &["steps", "model"]).expect("known keys");
        assert_eq!(again.resolve(), Settings { steps: 7, ..before });
        assert_eq!(again.origin("model"), &Origin::Checkpoint);
        layers.go_on(&again.resolve(), toml("steps = 9"), &["steps"]).expect("known keys");
        assert_eq!(layers.resolve().steps, 9);
    }

    #[test]
    fn whole_numbers_are_numbers() {
        let mut layers = layers();
        layers.put(toml("dropout = 0"), &Origin::Option).expect("0 is a number");
        assert_eq!(layers.resolve().dropout, 0.0);
    }

    #[test]
    fn unknown_keys_and_wrong_kinds_are_refused() {
        let refused = |text: &str| {
            let error = layers().put(toml(text), &Origin::Recipe("mine".to_owned())).expect_err("wrong");
            format!("{error} | {}", error.hint.as_deref().unwrap_or_default())
        };
        assert_eq!(
            refused("dropuot = 0.1"),
            "recipe mine has a setting dropuot, which does not exist | did you mean dropout?"
        );
        let message = refused("steps = \"many\"");
        assert!(message.starts_with("steps = \"many\" in recipe mine: invalid type"), "{message}");
        assert!(message.ends_with("a value of the same kind: steps = 100"), "{message}");
    }

    #[test]
    fn built_in_recipes_are_found_and_others_are_named() {
        assert!(section("ml-100k", "retriever").expect("built in").contains_key("batch_size"));
        assert!(section("ml-100k", "ranker").expect("built in").contains_key("steps"));
        let error = section("beauty", "ranker").expect_err("a retriever's alone");
        assert_eq!(error.message, "recipe beauty has no section [ranker]");
        assert!(error.hint.expect("a hint").ends_with(": movielens, ml-100k, letters, games"));
        let error = section("ml100k", "retriever").expect_err("unknown");
        assert!(error.hint.expect("a hint").starts_with("did you mean ml-100k?"));
    }

    #[test]
    fn recipe_files_are_read_and_checked() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("mine.toml");
        let path = file.to_str().expect("UTF-8");
        let with = |text: &str| {
            fs::write(&file, text).expect("written");
            section(path, "retriever")
        };
        assert_eq!(with("[retriever]\nsteps = 3").expect("fine"), toml("steps = 3"));
        let message = with("[retriever]\nsteps 3").expect_err("no TOML").to_string();
        assert!(message.contains("line 2"), "{message}");
        let message = with("steps = 3").expect_err("no section").to_string();
        assert!(message.contains("key steps outside of [retriever]"), "{message}");
        assert!(with("retriever = 3").expect_err("no section").to_string().contains("is no section"));
    }
}
