//! A bar drawn with block characters.

/// Steps of a block character.
const EIGHTHS: usize = 8;
const BLOCKS: [char; EIGHTHS] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// A bar of `width` cells, from one share of the width to another; at least one step wide.
pub(super) fn blocks(from: f64, to: f64, width: usize) -> String {
    let at = |share: f64| (share.clamp(0.0, 1.0) * (width * EIGHTHS) as f64).round() as usize;
    let from = at(from).min(width * EIGHTHS - 1);
    let to = at(to).max(from + 1);
    let cells = (0..width).map(|cell| {
        let within = |at: usize| at.clamp(cell * EIGHTHS, (cell + 1) * EIGHTHS) - cell * EIGHTHS;
        let (start, end) = (within(from), within(to));
        match end - start {
            0 => ' ',
            // Blocks from the right exist only as half and eighth.
            1..3 if end == EIGHTHS => '▕',
            3..6 if end == EIGHTHS => '▐',
            filled => BLOCKS[filled - 1],
        }
    });
    cells.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bar_blocks_cover_share_and_are_never_empty() {
        for (from, to, drawn) in [
            (0.0, 1.0, "████"),
            (0.5, 1.0, "  ██"),
            (0.0, 0.375, "█▌  "),
            (0.125, 0.5, "▐█  "),
            (0.25, 0.25, " ▏  "),
            (1.0, 1.0, "   ▕"),
            (0.0, 9.0, "████"),
            (f64::NAN, f64::NAN, "▏   "),
        ] {
            assert_eq!(blocks(from, to, 4), drawn, "{from} to {to}");
        }
    }
}
