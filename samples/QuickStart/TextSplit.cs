using System.Text;

namespace LmKit.QuickStart;

/// <summary>A text to train on and a text held out to measure on.</summary>
/// <param name="Source">Where the text comes from, in words for the screen.</param>
/// <param name="Training">The text to train on.</param>
/// <param name="Validation">The text never trained on.</param>
/// <param name="HeldOut">What was held out: file names, or the part of a single file.</param>
public sealed record TextSplit(string Source, string Training, string Validation, IReadOnlyList<string> HeldOut)
{
    /// <summary>One part in this many is held out.</summary>
    public const int Parts = 12;

    /// <summary>Size of the training text in UTF-8 bytes.</summary>
    public int TrainingBytes => Encoding.UTF8.GetByteCount(Training);

    /// <summary>Size of the validation text in UTF-8 bytes.</summary>
    public int ValidationBytes => Encoding.UTF8.GetByteCount(Validation);

    /// <summary>The same split cut to at most so many characters of training text, and a twelfth of that held out.</summary>
    public TextSplit Limit(int characters) => this with
    {
        Training = Training[..Math.Min(Training.Length, characters)],
        Validation = Validation[..Math.Min(Validation.Length, Math.Max(1, characters / Parts))],
    };

    /// <summary>Holds out whole files: every twelfth in order of name.</summary>
    /// <remarks>
    /// Sentences that differ in one word mostly stand in the same file, so a file is never cut. Of the twelve places to
    /// start counting from, the one is taken whose files hold nearest to a twelfth of all characters: sizes of files
    /// differ a hundredfold, and a fixed start can hold out a third of the text or next to nothing. The choice looks at
    /// sizes only, so the same files always give the same split. Fewer than twelve files: one of them is held out.
    /// </remarks>
    /// <exception cref="InvalidDataException">There are fewer than two files with text.</exception>
    public static TextSplit ByWholeFiles(string source, IEnumerable<TextFile> files)
    {
        var ordered = files.Where(file => file.Text.Length > 0).OrderBy(file => file.Name, StringComparer.Ordinal).ToArray();
        if (ordered.Length < 2)
            throw new InvalidDataException($"{source} holds {ordered.Length} file(s) with text, but a split by whole files needs at least 2; give a single file to hold out its last part instead.");

        var period = Math.Min(Parts, ordered.Length);
        var wanted = ordered.Sum(file => (double)file.Text.Length) / Parts;
        var start = Enumerable.Range(0, period).MinBy(first => Math.Abs(Every(ordered, period, first).Sum(file => (double)file.Text.Length) - wanted));
        var heldOut = Every(ordered, period, start).ToArray();
        return new TextSplit(source, Join(ordered.Except(heldOut)), Join(heldOut), heldOut.Select(file => file.Name).ToArray());
    }

    /// <summary>Holds out the last twelfth of a single text, cut at the start of a line where there is one near.</summary>
    /// <exception cref="InvalidDataException">The text is too short for both parts to hold something.</exception>
    public static TextSplit ByTail(string source, string text)
    {
        var cut = (int)((long)text.Length * (Parts - 1) / Parts);
        var line = text.IndexOf('\n', cut, Math.Min(text.Length - cut, text.Length / (Parts * 10)));
        cut = line >= 0 ? line + 1 : cut;
        cut += cut < text.Length && char.IsLowSurrogate(text[cut]) ? 1 : 0;
        if (cut <= 0 || cut >= text.Length)
            throw new InvalidDataException($"{source} holds {text.Length} character(s), too few to hold out one part in {Parts}; give a longer text.");

        return new TextSplit(source, text[..cut], text[cut..], [$"the last {text.Length - cut:N0} of {text.Length:N0} characters"]);
    }

    private static IEnumerable<TextFile> Every(TextFile[] files, int period, int first) =>
        files.Where((_, index) => index % period == first);

    // A file that does not end its last line would glue two sentences together.
    private static string Join(IEnumerable<TextFile> files) =>
        string.Concat(files.Select(file => file.Text.EndsWith('\n') ? file.Text : file.Text + "\n"));
}
