//! The word that somebody probably meant.

/// The nearest of some words, if one is near enough: a third of the letters may differ.
pub fn nearest<'w>(word: &str, words: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    words
        .into_iter()
        .map(|known| (distance(word, known), known))
        .filter(|(distance, known)| *distance <= 1.max(known.len().max(word.len()) / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// Letters to change, add or drop (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().enumerate() {
        let mut before = row[0];
        row[0] = line + 1;
        for (column, against) in other.iter().enumerate() {
            let kept = before + usize::from(letter != *against);
            before = row[column + 1];
            row[column + 1] = kept.min(before + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let words = ["token_url", "token_params", "refresh_url"];
        assert_eq!(nearest("tokn_url", words), Some("token_url"));
        assert_eq!(nearest("token_uri", words), Some("token_url"));
        assert_eq!(nearest("refreshUrl", words), Some("refresh_url"));
        assert_eq!(nearest("colour", words), None);
    }
}
