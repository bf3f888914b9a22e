//! Finds one value in a block of HPACK (RFC 7541), without the dynamic table: the only one that is never indexed, of digits.

/// The bits of the representation "literal, never indexed" (section 6.2.3).
const NEVER_INDEXED: u8 = 0b0001_0000;

/// The value of the only literal that is never indexed.
pub(super) fn never_indexed(mut block: &[u8]) -> Option<String> {
    while let Some(&first) = block.first() {
        // Sections 6.1, 6.2.1, 6.3 and 6.2.2; the rest is 6.2.3.
        let (prefix, literal) = match first {
            0b1000_0000.. => (7, false),
            0b0100_0000.. => (6, true),
            0b0010_0000.. => (5, false),
            _ => (4, true),
        };
        let name = integer(&mut block, prefix)?;
        if !literal {
            continue;
        }
        if name == 0 {
            string(&mut block)?;
        }
        let (value, huffman) = string(&mut block)?;
        if prefix == 4 && first & NEVER_INDEXED != 0 {
            return if huffman { digits(value) } else { String::from_utf8(value.to_vec()).ok() };
        }
    }
    None
}

/// Section 5.1.
fn integer(block: &mut &[u8], prefix: u32) -> Option<usize> {
    let mask = (1_usize << prefix) - 1;
    let mut value = usize::from(take(block)?) & mask;
    if value < mask {
        return Some(value);
    }
    for shift in (0..28).step_by(7) {
        let byte = usize::from(take(block)?);
        value += (byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Section 5.2: the bytes, and whether they are in Huffman's code.
fn string<'a>(block: &mut &'a [u8]) -> Option<(&'a [u8], bool)> {
    let huffman = *block.first()? & 0x80 != 0;
    let length = integer(block, 7)?;
    let (value, rest) = block.split_at_checked(length)?;
    *block = rest;
    Some((value, huffman))
}

fn take(block: &mut &[u8]) -> Option<u8> {
    let (first, rest) = block.split_first()?;
    *block = rest;
    Some(*first)
}

/// Appendix B, for digits: `0` to `2` are five bits from 00000, `3` to `9` six bits from 011001. The end is padded by ones.
fn digits(code: &[u8]) -> Option<String> {
    let bits = code.len() * 8;
    let bit = |at: usize| u32::from(code[at / 8] >> (7 - at % 8) & 1);
    let number = |at: usize, length: usize| (at..at + length).fold(0, |number, at| number << 1 | bit(at));
    let (mut at, mut text) = (0, String::new());
    while at + 5 <= bits {
        let (digit, length) = match number(at, 5) {
            short @ 0..=2 => (short, 5),
            _ if at + 6 > bits => break,
            _ => match number(at, 6) {
                long @ 0b01_1001..=0b01_1111 => (long - 0b01_1001 + 3, 6),
                0b11_1111 => break,
                _ => return None,
            },
        };
        text.push(char::from_digit(digit, 10)?);
        at += length;
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hpack_digits_of_huffman_code_are_read() {
        // `307`, `302` (RFC 7541, section C.6), then all.
        assert_eq!(digits(&[0x64, 0x0e, 0xff]).as_deref(), Some("307"));
        assert_eq!(digits(&[0x64, 0x02]).as_deref(), Some("302"));
    }

    #[test]
    fn hpack_value_is_found_behind_other_fields() {
        // An indexed field, a size update, a literal with a new name, a literal with a known name, and the one.
        let block =
            [0x82, 0x3f, 0xe1, 0x1f, 0x40, 1, b'a', 1, b'b', 0x04, 1, b'/', 0x10, 1, b'x', 0x82, 0x64, 0x02];
        assert_eq!(never_indexed(&block).as_deref(), Some("302"));
        assert_eq!(never_indexed(&block[..12]), None);
    }
}
