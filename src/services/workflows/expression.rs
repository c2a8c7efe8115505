//! Conditions: `fast and not (n >= 3 or steps.check.output == "no")`.
//!
//! Values are compared, never run: there are no calls, no arithmetic, and no more depth than [`DEEPEST`].
//! Grammar, the loosest first: `or`, `and`, `not`, one of `== != < <= > >= in`, then a literal (number,
//! `"text"`, `true`, `false`, `null`), a name (`var`, `a.b`, `steps["A step"].output`, `${var}`) or `( … )`.

use serde_json::Value;

/// Bytes of a condition.
pub(super) const LONGEST: usize = 4_096;

/// Parentheses and `not`s inside each other.
const DEEPEST: usize = 64;

/// A condition, read.
#[derive(Debug, PartialEq)]
pub(super) enum Expression {
    Literal(Value),
    /// A value by its path.
    Name(Vec<String>),
    Not(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Compare(&'static str, Box<Self>, Box<Self>),
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Sign(&'static str),
    Literal(Value),
    Name(Vec<String>),
}

/// The longer signs first.
const SIGNS: [&str; 12] = [
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "(", ")", "!", "=",
];

impl Expression {
    /// Reads a condition.
    ///
    /// # Errors
    /// What is wrong with it, for who wrote it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("An expression has at most {LONGEST} bytes"));
        }
        let tokens = tokens(text)?;
        let mut parser = Parser {
            tokens: tokens.into_iter().peekable(),
            depth: 0,
        };
        let expression = parser.or()?;
        match parser.tokens.next() {
            None => Ok(expression),
            Some(token) => Err(format!("{} is one too many", shown(&token))),
        }
    }

    /// Whether it holds; `value` finds what a path names.
    ///
    /// # Errors
    /// Why it cannot be said.
    pub(super) fn holds(
        &self,
        value: &impl Fn(&[String]) -> Option<Value>,
    ) -> Result<bool, String> {
        Ok(match self {
            Self::Not(inner) => !inner.holds(value)?,
            Self::And(left, right) => left.holds(value)? && right.holds(value)?,
            Self::Or(left, right) => left.holds(value)? || right.holds(value)?,
            Self::Compare(sign, left, right) => {
                compare(sign, &left.value(value)?, &right.value(value)?)?
            }
            Self::Literal(_) | Self::Name(_) => is_true(&self.value(value)?),
        })
    }

    fn value(&self, value: &impl Fn(&[String]) -> Option<Value>) -> Result<Value, String> {
        match self {
            Self::Literal(literal) => Ok(literal.clone()),
            // What nobody said is null.
            Self::Name(path) => Ok(value(path).unwrap_or_default()),
            _ => self.holds(value).map(Value::Bool),
        }
    }
}

/// Whether a value counts as true: not null, false, 0, nor empty, nor a text that says so.
fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => {
            let text = text.trim().to_ascii_lowercase();
            !["", "false", "0", "no", "off"].contains(&text.as_str())
        }
        Value::Array(items) => !items.is_empty(),
        Value::Object(object) => !object.is_empty(),
    }
}

fn compare(sign: &str, left: &Value, right: &Value) -> Result<bool, String> {
    let equal = match (left.as_f64(), right.as_f64()) {
        (Some(left), Some(right)) => left.total_cmp(&right).is_eq(),
        _ => left == right,
    };
    match sign {
        "==" => return Ok(equal),
        "!=" => return Ok(!equal),
        "in" => {
            return match (left, right) {
                (Value::String(part), Value::String(whole)) => Ok(whole.contains(part.as_str())),
                (_, Value::Array(items)) => Ok(items.contains(left)),
                (Value::String(key), Value::Object(object)) => Ok(object.contains_key(key)),
                _ => Err(format!("{left} in {right} cannot be said")),
            };
        }
        _ => {}
    }
    let order = match (left, right) {
        (Value::Number(left), Value::Number(right)) => left
            .as_f64()
            .zip(right.as_f64())
            .and_then(|(left, right)| left.partial_cmp(&right)),
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        _ => None,
    };
    let order = order.ok_or_else(|| format!("{left} {sign} {right} cannot be said"))?;
    Ok(match sign {
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        _ => order.is_ge(),
    })
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    depth: usize,
}

impl Parser {
    /// Takes a sign if it comes next.
    fn takes(&mut self, sign: &'static str) -> bool {
        self.tokens.next_if_eq(&Token::Sign(sign)).is_some()
    }

    fn or(&mut self) -> Result<Expression, String> {
        let mut left = self.and()?;
        while self.takes("or") {
            left = Expression::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expression, String> {
        let mut left = self.not()?;
        while self.takes("and") {
            left = Expression::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expression, String> {
        if !self.takes("not") {
            return self.comparison();
        }
        self.deeper(|parser| Ok(Expression::Not(Box::new(parser.not()?))))
    }

    fn comparison(&mut self) -> Result<Expression, String> {
        let left = self.operand()?;
        for sign in ["==", "!=", "<=", ">=", "<", ">", "in"] {
            if self.takes(sign) {
                let right = self.operand()?;
                return Ok(Expression::Compare(sign, Box::new(left), Box::new(right)));
            }
        }
        Ok(left)
    }

    fn operand(&mut self) -> Result<Expression, String> {
        match self.tokens.next() {
            Some(Token::Literal(literal)) => Ok(Expression::Literal(literal)),
            Some(Token::Name(path)) => Ok(Expression::Name(path)),
            Some(Token::Sign("(")) => self.deeper(|parser| {
                let inner = parser.or()?;
                if parser.takes(")") {
                    return Ok(inner);
                }
                Err("a ')' is missing".to_owned())
            }),
            Some(token) => Err(format!("{} comes where a value should", shown(&token))),
            None => Err("it ends where a value should come".to_owned()),
        }
    }

    fn deeper(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<Expression, String>,
    ) -> Result<Expression, String> {
        if self.depth >= DEEPEST {
            return Err(format!("it is more than {DEEPEST} deep"));
        }
        self.depth += 1;
        let inner = read(self);
        self.depth -= 1;
        inner
    }
}

fn shown(token: &Token) -> String {
    match token {
        Token::Sign(sign) => format!("'{sign}'"),
        Token::Literal(literal) => literal.to_string(),
        Token::Name(path) => format!("'{}'", path.join(".")),
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, behind) = if let Some(inner) = rest.strip_prefix("${") {
            let (name, behind) = inner.split_once('}').ok_or("a '}' is missing")?;
            (Token::Name(path(name.trim())), behind)
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            (Token::Sign(plain(sign)), &rest[sign.len()..])
        } else if first == '"' || first == '\'' {
            let (text, behind) = quoted(rest)?;
            (Token::Literal(Value::String(text)), behind)
        } else if first.is_ascii_digit() || first == '-' {
            number(rest)?
        } else if first.is_alphabetic() || first == '_' {
            word(rest)?
        } else {
            return Err(format!("'{first}' has no place here"));
        };
        tokens.push(token);
        rest = behind.trim_start();
    }
    Ok(tokens)
}

/// The one word for a sign.
fn plain(sign: &'static str) -> &'static str {
    match sign {
        "&&" => "and",
        "||" => "or",
        "!" => "not",
        "=" => "==",
        sign => sign,
    }
}

/// A text in quotes; a backslash keeps the character after it.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let mut characters = text.char_indices();
    let quote = characters.next().map(|(_, quote)| quote);
    let mut read = String::new();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => read.extend(characters.next().map(|(_, kept)| kept)),
            _ if Some(character) == quote => return Ok((read, &text[at + 1..])),
            _ => read.push(character),
        }
    }
    Err("a text does not end".to_owned())
}

fn number(text: &str) -> Result<(Token, &str), String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+');
    let end = text.find(|c: char| !is_part(c)).unwrap_or(text.len());
    let number: Result<serde_json::Number, _> = serde_json::from_str(&text[..end]);
    let number = number.map_err(|_| format!("'{}' is no number", &text[..end]))?;
    Ok((Token::Literal(Value::Number(number)), &text[end..]))
}

/// A word, or a name with what is behind its dots and in its brackets.
fn word(text: &str) -> Result<(Token, &str), String> {
    let part = |text: &str| {
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        text.find(|c: char| !is_part(c)).unwrap_or(text.len())
    };
    let mut end = part(text);
    let mut path = vec![text[..end].to_owned()];
    let mut rest = &text[end..];
    loop {
        if let Some(behind) = rest.strip_prefix('.') {
            end = part(behind);
            if end == 0 {
                return Err("a name is missing behind '.'".to_owned());
            }
            path.push(behind[..end].to_owned());
            rest = &behind[end..];
        } else if let Some(behind) = rest
            .strip_prefix('[')
            .filter(|b| b.starts_with(['"', '\'']))
        {
            let (key, behind) = quoted(behind)?;
            path.push(key);
            rest = behind.strip_prefix(']').ok_or("a ']' is missing")?;
        } else {
            break;
        }
    }
    if path.len() > 1 {
        return Ok((Token::Name(path), rest));
    }
    let token = match path[0].to_ascii_lowercase().as_str() {
        "and" => Token::Sign("and"),
        "or" => Token::Sign("or"),
        "not" => Token::Sign("not"),
        "in" => Token::Sign("in"),
        "true" | "yes" | "on" => Token::Literal(Value::Bool(true)),
        "false" | "no" | "off" => Token::Literal(Value::Bool(false)),
        "null" | "none" => Token::Literal(Value::Null),
        _ => Token::Name(path),
    };
    Ok((token, rest))
}

/// What a name's parts are: those between its dots.
pub(super) fn path(name: &str) -> Vec<String> {
    match word(name) {
        Ok((Token::Name(path), "")) => path,
        _ => name.split('.').map(str::to_owned).collect(),
    }
}

#[cfg(test)]
mod tests;
