//! A value against a rule.

use std::borrow::Cow;

use super::{Kinds, PROBLEMS, Problem, Range, Rule, Schemas, TEXT_CHARS, format, node::Node};

/// How many rules may be asked about one record: alternatives of alternatives of alternatives multiply.
const STEPS: usize = 1_000_000;

/// Deepest nesting of rules at one value: a schema that refers to itself without going down ends here.
const DEPTH: usize = 512;

/// What does not fit, at most [`PROBLEMS`].
pub(super) fn problems(schemas: &Schemas, place: usize, record: &Node<'_>) -> Vec<Problem> {
    let mut check = Check {
        schemas,
        steps: STEPS,
        path: Vec::new(),
        found: Vec::new(),
    };
    check.ask(place, record, 0);
    check.found
}

struct Check<'a> {
    schemas: &'a Schemas,
    steps: usize,
    path: Vec<Cow<'a, str>>,
    found: Vec<Problem>,
}

impl<'a> Check<'a> {
    fn ask(&mut self, place: usize, value: &'a Node<'_>, depth: usize) {
        if self.found.len() >= PROBLEMS || self.steps == 0 || depth > DEPTH {
            return;
        }
        self.steps -= 1;
        let rule = &self.schemas.rules[place];
        if rule.never {
            return self.complain("is not allowed");
        }
        if let Some(kinds) = rule.kinds
            && !kinds.allow(value)
        {
            return self.complain(&format!("must be {kinds}"));
        }
        if let Some(values) = &rule.one_of_values
            && !values.iter().any(|one| value.equals(one))
        {
            self.complain("is none of the values allowed");
        }
        match value {
            Node::Object(members) => self.object(rule, value, members, depth),
            Node::Array(items) => self.array(rule, items, depth),
            Node::Text(text) => self.text(rule, text),
            Node::Number(number) => self.number(rule, *number),
            Node::Null | Node::Boolean(_) => {}
        }
        for one in rule.reference.iter().chain(&rule.all) {
            self.ask(*one, value, depth + 1);
        }
        self.alternatives(rule, value, depth);
    }

    fn alternatives(&mut self, rule: &Rule, value: &'a Node<'_>, depth: usize) {
        if !rule.any.is_empty() && !rule.any.iter().any(|one| self.fits(*one, value, depth)) {
            self.complain("fits none of the alternatives");
        }
        if !rule.one.is_empty() {
            let fitting = rule.one.iter().filter(|one| self.fits(**one, value, depth));
            match fitting.count() {
                1 => {}
                0 => self.complain("fits none of the alternatives"),
                _ => self.complain("fits more than one of the alternatives"),
            }
        }
        if let Some(not) = rule.not
            && self.fits(not, value, depth)
        {
            self.complain("is what it must not be");
        }
    }

    /// Whether a value fits, asked aside.
    fn fits(&mut self, place: usize, value: &'a Node<'_>, depth: usize) -> bool {
        let before = std::mem::take(&mut self.found);
        self.ask(place, value, depth + 1);
        std::mem::replace(&mut self.found, before).is_empty()
    }

    fn object(
        &mut self,
        rule: &Rule,
        value: &'a Node<'_>,
        members: &'a [(Cow<'_, str>, Node<'_>)],
        depth: usize,
    ) {
        for name in &rule.required {
            if value.member(name).is_none() {
                self.complain(&format!("must have `{name}`"));
            }
        }
        self.size(rule.members, members.len(), "members");
        for (name, member) in members {
            let mut named = false;
            self.path.push(Cow::Borrowed(name.as_ref()));
            if let Some(one) = rule.properties.get(name.as_ref()) {
                named = true;
                self.ask(*one, member, depth + 1);
            }
            for (pattern, one) in &rule.patterned {
                if pattern.is_match(name) {
                    named = true;
                    self.ask(*one, member, depth + 1);
                }
            }
            if let Some(one) = rule.additional
                && !named
            {
                self.ask(one, member, depth + 1);
            }
            if let Some(names) = rule.names
                && !self.name_fits(names, name)
            {
                self.complain("has a name that is not allowed");
            }
            self.path.pop();
        }
    }

    /// Names are texts too, but they live as long as this question.
    fn name_fits(&self, place: usize, name: &str) -> bool {
        problems(self.schemas, place, &Node::Text(Cow::Borrowed(name))).is_empty()
    }

    fn array(&mut self, rule: &Rule, items: &'a [Node<'_>], depth: usize) {
        self.size(rule.length, items.len(), "items");
        for (index, item) in items.iter().enumerate() {
            let Some(one) = rule.places.get(index).copied().or(rule.items) else {
                break;
            };
            self.path.push(Cow::Owned(index.to_string()));
            self.ask(one, item, depth + 1);
            self.path.pop();
        }
        // Comparing each with each is for short lists.
        if rule.unique && items.len() <= 1_000 {
            let twice = (1..items.len()).any(|at| items[..at].contains(&items[at]));
            if twice {
                self.complain("has an item twice");
            }
        }
    }

    fn text(&mut self, rule: &Rule, text: &str) {
        if rule.chars.from.is_some() || rule.chars.to.is_some() {
            self.size(rule.chars, text.encode_utf16().count(), "characters");
        }
        if let Some(pattern) = &rule.pattern
            && !pattern.is_match(text)
        {
            self.complain("does not match its pattern");
        }
        if let Some(format) = &rule.format
            && !format::fits(format, text)
        {
            self.complain(&format!("is no {format}"));
        }
    }

    fn number(&mut self, rule: &Rule, number: f64) {
        if let Some(least) = rule.least.filter(|least| number < *least) {
            self.complain(&format!("must be at least {least}"));
        }
        if let Some(above) = rule.above.filter(|above| number <= *above) {
            self.complain(&format!("must be more than {above}"));
        }
        if let Some(most) = rule.most.filter(|most| number > *most) {
            self.complain(&format!("must be at most {most}"));
        }
        if let Some(below) = rule.below.filter(|below| number >= *below) {
            self.complain(&format!("must be less than {below}"));
        }
        if let Some(step) = rule.multiple {
            let times = number / step;
            if (times - times.round()).abs() > 1e-9 * times.abs().max(1.0) {
                self.complain(&format!("is no multiple of {step}"));
            }
        }
    }

    fn size(&mut self, allowed: Range<usize>, size: usize, what: &str) {
        if let Some(from) = allowed.from.filter(|from| size < *from) {
            self.complain(&format!("must have at least {from} {what}"));
        }
        if let Some(to) = allowed.to.filter(|to| size > *to) {
            self.complain(&format!("must have at most {to} {what}"));
        }
    }

    fn complain(&mut self, reason: &str) {
        if self.found.len() >= PROBLEMS {
            return;
        }
        let mut path = String::new();
        for step in &self.path {
            path.push('/');
            path.push_str(&step.replace('~', "~0").replace('/', "~1"));
        }
        if path.is_empty() {
            path.push('/');
        }
        self.found.push(Problem {
            path: path.chars().take(TEXT_CHARS).collect(),
            reason: reason.chars().take(TEXT_CHARS).collect(),
        });
    }
}

impl Kinds {
    fn allow(self, value: &Node<'_>) -> bool {
        match value {
            Node::Null => self.null,
            Node::Boolean(_) => self.boolean,
            Node::Number(number) => self.number || (self.integer && number.fract() == 0.0),
            Node::Text(_) => self.text,
            Node::Array(_) => self.array,
            Node::Object(_) => self.object,
        }
    }
}

impl std::fmt::Display for Kinds {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = [
            (self.null, "null"),
            (self.boolean, "a boolean"),
            (self.integer, "an integer"),
            (self.number, "a number"),
            (self.text, "a string"),
            (self.array, "an array"),
            (self.object, "an object"),
        ];
        let names: Vec<&str> = all
            .iter()
            .filter(|(is, _)| *is)
            .map(|(_, name)| *name)
            .collect();
        formatter.write_str(&names.join(" or "))
    }
}
