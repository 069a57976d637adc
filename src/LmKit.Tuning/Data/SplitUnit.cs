namespace LmKit;

/// <summary>What is counted when a document is cut.</summary>
public enum SplitUnit
{
    /// <summary>Maximal runs of characters that are not white space.</summary>
    Word,

    /// <summary>Characters as people see them (grapheme clusters); a cut may fall inside a word.</summary>
    Grapheme,

    /// <summary>Tokens of a tokenizer; a cut never falls inside a grapheme.</summary>
    Token,
}
