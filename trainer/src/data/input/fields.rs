//! One record split into fields: CSV with quotes, or the `::` of older MovieLens files.

use std::borrow::Cow;

/// The fields of one record; the buffers are used again for the next one.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    text: Vec<u8>,
    ends: Vec<usize>,
    in_quotes: bool,
}

impl Fields {
    /// Forgets the record.
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.in_quotes = false;
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The n-th field, empty if there is none.
    pub fn get(&self, n: usize) -> &[u8] {
        let start = n.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied());
        match (start, self.ends.get(n)) {
            (Some(start), Some(&end)) => &self.text[start..end],
            _ => &[],
        }
    }

    fn end_field(&mut self) {
        self.ends.push(self.text.len());
    }

    /// Adds a line of CSV (RFC 4180). `Ok(false)`: a quoted field goes on in the next line.
    ///
    /// A quote inside an unquoted field is a character like any other.
    ///
    /// # Errors
    /// Text after a closing quote; the record ends with this line.
    pub fn add_csv(&mut self, line: &[u8], delimiter: u8) -> Result<bool, &'static str> {
        let mut rest = line;
        if self.in_quotes {
            self.text.push(b'\n');
        }
        loop {
            if !self.in_quotes {
                if let Some(quoted) = rest.strip_prefix(b"\"") {
                    (self.in_quotes, rest) = (true, quoted);
                } else if let Some(at) = rest.iter().position(|&byte| byte == delimiter) {
                    self.text.extend_from_slice(&rest[..at]);
                    self.end_field();
                    rest = &rest[at + 1..];
                    continue;
                } else {
                    self.text.extend_from_slice(rest);
                    self.end_field();
                    return Ok(true);
                }
            }
            let Some(at) = rest.iter().position(|&byte| byte == b'"') else {
                self.text.extend_from_slice(rest);
                return Ok(false);
            };
            self.text.extend_from_slice(&rest[..at]);
            rest = &rest[at + 1..];
            match rest.split_first() {
                Some((b'"', more)) => {
                    self.text.push(b'"');
                    rest = more;
                }
                Some((&byte, more)) if byte == delimiter => {
                    self.end_field();
                    (self.in_quotes, rest) = (false, more);
                }
                None => {
                    self.end_field();
                    self.in_quotes = false;
                    return Ok(true);
                }
                Some(_) => {
                    self.in_quotes = false;
                    return Err("text stands between a closing quote and the next delimiter");
                }
            }
        }
    }

    /// Adds a line whose fields are separated by `::`.
    ///
    /// MovieLens 1M is Latin-1 and 10M is UTF-8: bytes that are no UTF-8 are read as Latin-1.
    pub fn add_dat(&mut self, line: &[u8]) {
        let line = match str::from_utf8(line) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => Cow::Owned(line.iter().map(|&byte| char::from(byte)).collect::<String>()),
        };
        for field in line.split("::") {
            self.text.extend_from_slice(field.as_bytes());
            self.end_field();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Fields;

    fn all(fields: &Fields) -> Vec<String> {
        (0..fields.len()).map(|n| String::from_utf8(fields.get(n).to_vec()).unwrap()).collect()
    }

    fn csv(text: &str) -> Result<Vec<String>, &'static str> {
        let mut fields = Fields::default();
        let mut whole = false;
        for line in text.split('\n') {
            assert!(!whole, "the record ended before its last line");
            whole = fields.add_csv(line.as_bytes(), b',')?;
        }
        assert!(whole, "the record did not end");
        Ok(all(&fields))
    }

    #[test]
    fn quotes_protect_delimiters_quotes_and_line_ends() {
        assert_eq!(csv("1,2,,").unwrap(), ["1", "2", "", ""]);
        assert_eq!(csv("6,\"Heat, The (1995)\",x").unwrap(), ["6", "Heat, The (1995)", "x"]);
        assert_eq!(csv("\"a \"\"b\"\"\",\"\"").unwrap(), ["a \"b\"", ""]);
        assert_eq!(csv("\"one\ntwo, \",3").unwrap(), ["one\ntwo, ", "3"]);
        assert_eq!(csv("5\" pipe,x").unwrap(), ["5\" pipe", "x"]);
        assert!(csv("\"a\" b,c").is_err());
    }

    #[test]
    fn older_files_are_latin_1_or_utf_8() {
        let mut fields = Fields::default();
        fields.add_dat(b"1::L\xe9on: x (1994)::Action|Crime");
        assert_eq!(all(&fields), ["1", "Léon: x (1994)", "Action|Crime"]);
        fields.clear();
        fields.add_dat("1::Léon::".as_bytes());
        assert_eq!(all(&fields), ["1", "Léon", ""]);
        assert_eq!(fields.get(9), b"");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(record in proptest::collection::vec("[a,\"\n é]{0,6}", 1..5)) {
            let quoted: Vec<String> =
                record.iter().map(|field| format!("\"{}\"", field.replace('"', "\"\""))).collect();
            prop_assert_eq!(csv(&quoted.join(",")).unwrap(), record);
        }
    }
}
