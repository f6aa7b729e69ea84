//! Tests whose `.test.ts` does more than replay its fixture: a replay that fails says little about those.

use std::{fs, path::PathBuf, sync::LazyLock};

use regex::Regex;

use super::discover::Case;

/// What such a test does, and how one sees it.
static SIGNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"useFakeTimers|setSystemTime|Date\.now\s*=|spyOn\((global\.|globalThis\.)?Date", "sets the clock"),
        (r"nangoMock\s*\.\s*\w+\s*=[^=]|Object\.assign\(nangoMock|\(nangoMock as .{1,40}\)\s*\.\s*\w+\s*=[^=]", "replaces parts of the mock"),
        (r"\bmock(Resolved|Rejected|Return)Value|\bmockImplementation|\bvi\.(mock|stubGlobal|stubEnv)\(", "replaces answers"),
        (r"\btoThrow|\.rejects\b", "expects an error"),
        (r"new\s+\w*[Mm]ock\w*\(\)|const nangoMock\s*=\s*\{|as unknown as", "brings a mock of its own"),
        (r"toBeDefined\(|toContain|toMatchObject|objectContaining|arrayContaining|expect\.any", "asserts something else"),
    ]
    .into_iter()
    .map(|(pattern, reason)| (Regex::new(pattern).expect("the patterns are constants and are tested"), reason))
    .collect()
});

/// What the test beside a fixture does on its own, if anything.
pub(super) fn reason(case: &Case) -> Option<&'static str> {
    let text = candidates(case)
        .iter()
        .find_map(|path| fs::read_to_string(path).ok())?;
    sign(&text)
}

fn sign(text: &str) -> Option<&'static str> {
    SIGNS
        .iter()
        .find(|(pattern, _)| pattern.is_match(text))
        .map(|(_, reason)| *reason)
}

fn candidates(case: &Case) -> [PathBuf; 2] {
    let folder = case.fixture.with_file_name("");
    let (integration, name) = (&case.entry.integration, &case.entry.name);
    [
        folder.join(format!("{integration}-{name}.test.ts")),
        folder.join(format!("{name}.test.ts")),
    ]
}

#[cfg(test)]
mod tests {
    use super::sign;

    #[test]
    fn plain_tests_have_no_sign() {
        let plain = "const nangoMock = new global.vitest.NangoActionMock({ dirname: __dirname, name: 'a', Model: 'A' });
            expect(await action.exec(nangoMock, await nangoMock.getInput())).toEqual(await nangoMock.getOutput());";
        assert_eq!(sign(plain), None);
        assert_eq!(
            sign("vi.setSystemTime(new Date(0))"),
            Some("sets the clock")
        );
        assert_eq!(
            sign("nangoMock.getToken = async () => 'x';"),
            Some("replaces parts of the mock")
        );
        assert_eq!(
            sign("await expect(run()).rejects.toThrow()"),
            Some("expects an error")
        );
    }
}
