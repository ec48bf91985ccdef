//! Reads text fields of a Python dict as `repr` prints it, without running anything.
//!
//! Older Amazon metadata are such lines: `{'asin': 'B1', 'title': "Bob's", 'related': {'also_viewed': [..]}}`.
//! Only literals are known: strings, numbers, `True`, `False`, `None`, lists, tuples and dicts of them. A call,
//! a name or an operator is an error.

/// How deep lists and dicts may be nested.
const DEEPEST: usize = 64;

/// Why a line is no dict of literals, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Place in the line, in characters from 1.
    pub column: usize,
    /// What is wrong there.
    pub what: &'static str,
}

/// The texts of the wanted keys of a dict; `None` for a key that is missing or whose value is no text.
///
/// Of equal keys the last counts, as in Python.
///
/// # Errors
/// Anything but one dict of literals.
pub fn text_fields<const N: usize>(line: &str, wanted: [&str; N]) -> Result<[Option<String>; N], Malformed> {
    let mut reader = Reader { line, at: 0 };
    let mut found = [const { None }; N];
    reader.skip_blanks();
    reader.expect(b'{', "a dict begins with {")?;
    reader.entries(b'}', |reader| {
        let mut key = String::new();
        reader.string(&mut key)?;
        reader.skip_blanks();
        reader.expect(b':', "a key is followed by :")?;
        reader.skip_blanks();
        let slot = wanted.iter().position(|name| *name == key).map(|n| &mut found[n]);
        match slot {
            Some(slot) if reader.begins_string() => {
                let mut text = String::new();
                reader.string(&mut text)?;
                *slot = Some(text);
            }
            slot => {
                reader.skip_value(1)?;
                if let Some(slot) = slot {
                    *slot = None;
                }
            }
        }
        Ok(())
    })?;
    reader.skip_blanks();
    match reader.peek() {
        None => Ok(found),
        Some(_) => Err(reader.error("the line goes on after the dict")),
    }
}

struct Reader<'a> {
    line: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.line.as_bytes().get(self.at).copied()
    }

    fn error(&self, what: &'static str) -> Malformed {
        let before = self.line.get(..self.at).unwrap_or(self.line);
        Malformed { column: before.chars().count() + 1, what }
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), Malformed> {
        if self.take(byte) { Ok(()) } else { Err(self.error(what)) }
    }

    /// Entries between commas up to the closing bracket, which is taken; the opening one was taken before.
    fn entries(
        &mut self,
        close: u8,
        mut entry: impl FnMut(&mut Self) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        loop {
            self.skip_blanks();
            if self.take(close) {
                return Ok(());
            }
            entry(self)?;
            self.skip_blanks();
            if !self.take(b',') {
                return self.expect(close, "a comma or the closing bracket is missing");
            }
        }
    }

    fn begins_string(&self) -> bool {
        let rest = &self.line.as_bytes()[self.at..];
        matches!(rest, [b'\'' | b'"', ..] | [b'u' | b'U', b'\'' | b'"', ..])
    }

    fn skip_value(&mut self, depth: usize) -> Result<(), Malformed> {
        if depth > DEEPEST {
            return Err(self.error("lists and dicts are nested too deep"));
        }
        if self.begins_string() {
            return self.string(&mut String::new());
        }
        let element = |reader: &mut Self| reader.skip_value(depth + 1);
        if self.take(b'[') {
            self.entries(b']', element)
        } else if self.take(b'(') {
            self.entries(b')', element)
        } else if self.take(b'{') {
            self.entries(b'}', |reader| {
                reader.skip_value(depth + 1)?;
                reader.skip_blanks();
                reader.expect(b':', "a key is followed by :")?;
                reader.skip_blanks();
                reader.skip_value(depth + 1)
            })
        } else {
            self.skip_word()
        }
    }

    /// A number, `True`, `False` or `None`.
    fn skip_word(&mut self) -> Result<(), Malformed> {
        let rest = &self.line[self.at..];
        let length = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-._".contains(byte));
        let word = &rest[..length.count()];
        let numeric = word.trim_end_matches(['l', 'L']);
        let number = numeric.bytes().any(|byte| byte.is_ascii_digit()) && numeric.parse::<f64>().is_ok();
        if number || ["True", "False", "None", "nan", "inf", "-inf"].contains(&word) {
            self.at += word.len();
            return Ok(());
        }
        Err(self.error("this is no text, number, True, False, None, list or dict"))
    }

    /// Appends a quoted text.
    fn string(&mut self, text: &mut String) -> Result<(), Malformed> {
        if !self.begins_string() {
            return Err(self.error("a text in quotes is missing"));
        }
        self.at += usize::from(matches!(self.peek(), Some(b'u' | b'U')));
        let start = self.at;
        let quote = self.line.as_bytes()[start];
        self.at += 1;
        loop {
            let rest = &self.line[self.at..];
            let Some(length) = rest.bytes().position(|byte| byte == quote || byte == b'\\') else {
                self.at = start;
                return Err(self.error("a quote is opened and not closed"));
            };
            text.push_str(&rest[..length]);
            self.at += length + 1;
            if rest.as_bytes()[length] == quote {
                return Ok(());
            }
            self.escape(text)?;
        }
    }

    /// What follows a backslash. Unknown escapes keep it, as in Python.
    fn escape(&mut self, text: &mut String) -> Result<(), Malformed> {
        let Some(letter) = self.line[self.at..].chars().next() else {
            return Err(self.error("a quote is opened and not closed"));
        };
        let begin = self.at;
        self.at += letter.len_utf8();
        let simple = match letter {
            '\\' | '\'' | '"' => letter,
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'v' => '\u{b}',
            'x' => self.code(2, 16)?,
            'u' => self.code(4, 16)?,
            'U' => self.code(8, 16)?,
            '0'..='7' => {
                self.at = begin;
                let digits =
                    self.line[begin..].bytes().take(3).take_while(|byte| (b'0'..b'8').contains(byte));
                let digits = digits.count();
                self.code(digits, 8)?
            }
            _ => {
                text.push('\\');
                letter
            }
        };
        text.push(simple);
        Ok(())
    }

    /// A character by its code. Two halves of a surrogate pair are joined; a lone one becomes U+FFFD.
    fn code(&mut self, digits: usize, radix: u32) -> Result<char, Malformed> {
        let first = self.digits(digits, radix)?;
        if (0xd800..0xdc00).contains(&first) && self.line[self.at..].starts_with("\\u") {
            let back = self.at;
            self.at += 2;
            let second = self.digits(4, 16)?;
            if (0xdc00..0xe000).contains(&second) {
                let joined = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(joined).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = back;
        }
        Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn digits(&mut self, digits: usize, radix: u32) -> Result<u32, Malformed> {
        let text = self.line.get(self.at..self.at + digits);
        let text = text.filter(|text| text.chars().all(|digit| digit.is_digit(radix)));
        let code = text.and_then(|text| u32::from_str_radix(text, radix).ok());
        let code = code.ok_or_else(|| self.error("an escape lacks digits"))?;
        self.at += digits;
        Ok(code)
    }
}

#[cfg(test)]
mod tests;
