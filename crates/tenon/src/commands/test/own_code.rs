//! Tests whose `.test.ts` does more than replay its fixture: a replay that fails says little about those.

use std::sync::LazyLock;

use regex::Regex;

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

/// What a test does on its own, if anything.
pub(super) fn reason(test: &str) -> Option<&'static str> {
    SIGNS
        .iter()
        .find(|(pattern, _)| pattern.is_match(test))
        .map(|(_, reason)| *reason)
}

#[cfg(test)]
mod tests {
    use super::reason;

    #[test]
    fn plain_tests_have_no_reason() {
        let plain = "const nangoMock = new global.vitest.NangoActionMock({ dirname: __dirname, name: 'a', Model: 'A' });
            expect(await action.exec(nangoMock, await nangoMock.getInput())).toEqual(await nangoMock.getOutput());";
        assert_eq!(reason(plain), None);
        assert_eq!(
            reason("vi.setSystemTime(new Date(0))"),
            Some("sets the clock")
        );
        assert_eq!(
            reason("nangoMock.getToken = async () => 'x';"),
            Some("replaces parts of the mock")
        );
        assert_eq!(
            reason("await expect(run()).rejects.toThrow()"),
            Some("expects an error")
        );
    }
}
