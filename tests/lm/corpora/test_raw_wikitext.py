"""WikiText without its marks: joined as people write, and the way back exact for any line."""

import os
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from driftwise.lm.corpora import BytePairs, Words
from driftwise.lm.corpora.raw_wikitext import (
    KEEP,
    MARKS,
    detokenise,
    read_raw_wikitext,
    tokenise,
)
from driftwise.lm.corpora.text_files import find_file, read_text

LINES = {
    " He paid 3 @,@ 000 @.@ 5 in a two @-@ part deal . ": "He paid 3,000.5 in a two-part deal.",
    " Teddy 's \" Story \" , he did n 't say ; ( 50 % ) : ": (
        "Teddy's \"Story\", he did n't say; (50%):"
    ),
    " Mr. Smith of the U.S. met St. John Jr. No. 7 . ": (
        "Mr. Smith of the U.S. met St. John Jr. No. 7."
    ),
    " $ 5 [ sic ] and £ 6 ! ": "$5 [sic] and £6!",
    " = Robert Boulter = ": " = Robert Boulter = ",
    " = = Career = = ": " = = Career = = ",
    " ": " ",
    "": "",
    " the 1,000th of pp. 7 ": f"the {KEEP}1,000th of {KEEP}pp. 7",
}


@pytest.mark.parametrize("line", LINES)
def test_lines_read_as_people_write_them(line):
    assert detokenise(line) == LINES[line]
    assert tokenise(LINES[line]) == line


WORDS = st.one_of(
    st.sampled_from([*MARKS, *",.;:!?()[]\"'%$", "'s", "'t", "...", "3", "000", "a", "Mr.", "B-"]),
    st.text(st.characters(exclude_characters=" \n"), max_size=4),
)


@given(st.lists(WORDS, min_size=1, max_size=14))
@example(["@-@", "a"])
@example(["a", "@,@"])
@example(["a.", "@-@", '"', '"'])
@settings(deadline=None, max_examples=300)
def test_the_way_back_is_exact(words):
    line = f" {' '.join(words)} "
    assert tokenise(detokenise(line)) == line


def test_what_is_no_line_of_wikitext_is_told():
    with pytest.raises(ValueError, match="begins and ends with a blank, got 'plain text'"):
        detokenise("plain text")


def test_a_split_has_the_words_of_the_original(tmp_path):
    article = ' \n = {} = \n \n It cost 3 @,@ 000 " dollars " , he said . \n \n = = End = = \n \n'
    (tmp_path / "wiki.test.raw").write_text("".join(article.format(name) for name in "AB"))
    pairs = BytePairs.train(["It cost 3,000 dollars, he said. " * 9], vocab_size=280)
    split = read_raw_wikitext(tmp_path / "wiki.test.raw", pairs)
    assert list(split.documents.titles) == ["A", "B"]
    # Words between blanks, and one for the end of each of seven lines; a blank one goes to the
    # article before it.
    assert split.documents.words.tolist() == [3 + 12 + 5 + 7 + 1, 3 + 12 + 5 + 7 - 1]
    first = split.ids[: split.documents.offsets[1]]
    assert first[-1] == pairs.eos and 'It cost 3,000 "dollars", he said.\n' in pairs.decode(first)
    assert split.num_bytes == len(pairs.decode(split.ids).encode())
    with pytest.raises(FileNotFoundError, match=r"wiki\.valid\.raw \(or \.xz\) is not there"):
        read_raw_wikitext(tmp_path / "wiki.valid.raw", pairs)


def test_the_test_split_of_wikitext():
    path = find_file(Path(os.environ.get("DRIFTWISE_DATA", "")) / "wikitext-2/wiki.test.raw")
    if path is None:
        pytest.skip("needs wikitext-2/wiki.test.raw in DRIFTWISE_DATA")
    lines = "".join(read_text(path)).split("\n")[:-1]
    texts = list(map(detokenise, lines))
    assert list(map(tokenise, texts)) == lines
    assert sum(text.count(KEEP) for text in texts) < 60
    split = read_raw_wikitext(path, Words(["<eos>", "<unk>"], "blanks"))
    assert (len(split.documents), split.num_words) == (60, 245_569)
