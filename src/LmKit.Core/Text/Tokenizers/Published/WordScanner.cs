namespace LmKit;

/// <summary>Published expressions by which byte-level vocabularies cut text.</summary>
internal static class WordScanner
{
    /// <summary>GPT-2's: English contractions, then letters, digits or signs with one blank before them, then runs of blanks.</summary>
    internal static readonly TextPattern Gpt2 = new(@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+");
}
