//! What changed between two texts, line by line, in the form that `diff -u` prints.

/// Lines shown around a change.
const CONTEXT: usize = 3;

/// Largest table of the comparison; what is larger is shown as replaced whole.
const MAX_CELLS: usize = 4_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line<'a> {
    Same(&'a str),
    Removed(&'a str),
    Added(&'a str),
}

/// A unified diff; empty where the texts are equal.
pub(super) fn unified(before: &str, after: &str) -> String {
    let old: Vec<&str> = before.lines().collect();
    let new: Vec<&str> = after.lines().collect();
    let lines = compare(&old, &new);
    let changed: Vec<usize> = lines
        .iter()
        .enumerate()
        .filter(|(_, line)| !matches!(line, Line::Same(_)))
        .map(|(index, _)| index)
        .collect();
    let mut out = String::new();
    let mut rest = changed.as_slice();
    while let Some(&first) = rest.first() {
        let together = rest
            .windows(2)
            .take_while(|pair| pair[1] - pair[0] <= 2 * CONTEXT)
            .count();
        let last = rest[together];
        rest = &rest[together + 1..];
        let start = first.saturating_sub(CONTEXT);
        let end = (last + CONTEXT + 1).min(lines.len());
        hunk(&lines, start, end, &mut out);
    }
    out
}

fn hunk(lines: &[Line<'_>], start: usize, end: usize, out: &mut String) {
    let count = |lines: &[Line<'_>], added: bool| {
        lines
            .iter()
            .filter(|line| match line {
                Line::Same(_) => true,
                Line::Removed(_) => !added,
                Line::Added(_) => added,
            })
            .count()
    };
    let (shown, above) = (&lines[start..end], &lines[..start]);
    out.push_str(&format!(
        "@@ -{},{} +{},{} @@\n",
        count(above, false) + 1,
        count(shown, false),
        count(above, true) + 1,
        count(shown, true),
    ));
    for line in shown {
        let (sign, text) = match line {
            Line::Same(text) => (' ', text),
            Line::Removed(text) => ('-', text),
            Line::Added(text) => ('+', text),
        };
        out.push(sign);
        out.push_str(text);
        out.push('\n');
    }
}

fn compare<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    let start = old
        .iter()
        .zip(new)
        .take_while(|(one, other)| one == other)
        .count();
    let end = old[start..]
        .iter()
        .rev()
        .zip(new[start..].iter().rev())
        .take_while(|(one, other)| one == other)
        .count();
    let (from, to) = (&old[start..old.len() - end], &new[start..new.len() - end]);
    let mut lines: Vec<Line<'a>> = old[..start].iter().map(|line| Line::Same(line)).collect();
    lines.extend(middle(from, to));
    lines.extend(old[old.len() - end..].iter().map(|line| Line::Same(line)));
    lines
}

/// The longest common subsequence, by table.
fn middle<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    let width = new.len() + 1;
    if (old.len() + 1).saturating_mul(width) > MAX_CELLS {
        let removed = old.iter().map(|line| Line::Removed(line));
        return removed
            .chain(new.iter().map(|line| Line::Added(line)))
            .collect();
    }
    let mut longest = vec![0_u32; (old.len() + 1) * width];
    for (row, one) in old.iter().enumerate().rev() {
        for (column, other) in new.iter().enumerate().rev() {
            longest[row * width + column] = if one == other {
                longest[(row + 1) * width + column + 1] + 1
            } else {
                longest[(row + 1) * width + column].max(longest[row * width + column + 1])
            };
        }
    }
    let (mut row, mut column) = (0, 0);
    let mut lines = Vec::new();
    while row < old.len() || column < new.len() {
        let (one, other) = (old.get(row), new.get(column));
        match (one, other) {
            (Some(one), Some(other)) if one == other => {
                lines.push(Line::Same(one));
                (row, column) = (row + 1, column + 1);
            }
            (Some(one), _)
                if column == new.len()
                    || longest[(row + 1) * width + column] >= longest[row * width + column + 1] =>
            {
                lines.push(Line::Removed(one));
                row += 1;
            }
            (_, Some(other)) => {
                lines.push(Line::Added(other));
                column += 1;
            }
            (_, None) => break,
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::unified;

    #[test]
    fn changes_are_shown_with_what_is_around_them() {
        let before = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15";
        let after = "1\n2\n3\n4\nfive\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n16";
        let expected = "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n\
                        @@ -13,3 +13,4 @@\n 13\n 14\n 15\n+16\n";
        assert_eq!(unified(before, after), expected);
        assert_eq!(unified(before, before), "");
        assert_eq!(unified("", "a"), "@@ -1,0 +1,1 @@\n+a\n");
        assert_eq!(unified("a\nb\nc", "b"), "@@ -1,3 +1,1 @@\n-a\n b\n-c\n");
    }

    #[test]
    fn what_is_too_large_to_compare_is_replaced() {
        let text = |word: &str| {
            (0..3_000)
                .map(|line| format!("{word} {line}\n"))
                .collect::<String>()
        };
        let diff = unified(&text("a"), &text("b"));
        assert_eq!(diff.lines().count(), 6_001);
    }
}
