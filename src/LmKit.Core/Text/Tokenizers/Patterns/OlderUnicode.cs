using System.Globalization;

namespace LmKit;

/// <summary>What parts of the published library think of characters where .NET, which has a newer Unicode, thinks otherwise.</summary>
/// <remarks>The library's parts keep tables of their own: combining marks are of Unicode 9, punctuation and nonspacing marks of Unicode 8. The
/// differences were read off its answers for every character; each list holds those on which the two disagree.</remarks>
internal static class OlderUnicode
{
    private static readonly System.Collections.Concurrent.ConcurrentDictionary<string, CodePointSet> Read = [];

    // How far behind the last range, length less one; in base 16.
    private const string Punctuation =
        "61d,0;3df,0;78,0;200,0;c,0;9e8,0;4e0,1;2d,2;12c3,c;2,b;df10,0;13e,0;a7,4;2c,3;23f,0;20a,1;1,1;72,4;a,1;1,0;202,c;4c,0;181,0;108,2;9b,0;5c,7;53,2;1,4;5"
        + "d,9;d7,0;5f,4;2a,1;285,1;4a,c;af,0;ff1,1;3d7a,2;127,3;147,0;761c,0;35e,1";

    private const string Marks =
        "7fd,0;99,8;2a,9;12a,0;fb,5;55,0;ae,0;37,0;b6,0;c,0;3a,1;44,0;138,0;13,0;846,0;f9,0;2af,f;223,1;3,0;fe,4;8a31,0;d2,0;6424,3;41,4;13d,1;4f,3;46,a;31,3;e"
        + "a,0;2,1;4d,0;82,1;82,0;4,1;71,0;f9,0;7c,8;1,0;2,0;1,3;1,4;1,0;e,1;7b,0;3cd,e;f5,5;1,1;2,3;1,0;1,1;8d,6;2,6;3,0;1c,9;28,6;1,3;8,0;9,a;2e,f;297,5;3,0;1,"
        + "1;1,6;1,0;42,4;1,1;1,4;15b,3;9,1;1,0;30,6;3,4;17,0;14e5,0;6,e;2cc8,11;e1f,0;2f,8;5c,0;b,1;5f0e,2d;2,16;1148,0;a0,6;177,0;3d,3;1fc,3;fe,1";

    private const string Nonspacing =
        "7fd,0;99,8;2a,17;11c,0;fb,5;55,0;ae,0;37,0;c3,0;3a,1;44,0;138,0;13,0;865,0;da,0;75,1;238,f;327,5;8a30,0;98,0;39,0;bd,0;6366,3;41,4;13d,1;4f,3;46,a;31,"
        + "3;ea,0;2,1;4d,0;106,0;5,0;6e,0;2,0;f9,0;7f,5;d,0;1,0;1,0;e,1;55,7;2,2;1,0;17,0;2bf,0;110,8;1,1;100,1;1,0;4,0;90,3;2,1;4,0;20,9;28,5;2,3;8,0;9,5;2,2;2e"
        + ",c;1,1;196,6;1,5;1,0;52,15;2,6;1,1;1,1;7a,5;3,0;1,1;1,6;1,0;48,1;3,0;1,0;15b,1;b,1;34,4;5,0;1,0;17,0;14e5,0;6,e;2cc8,b;3,2;e1f,0;94,0;5f1b,2d;2,16;10b"
        + "9,6;1,10;2,6;1,1;1,4;64,0;a0,6;177,0;3d,3;1fc,3;fe,1;354,6";

    private static readonly Lazy<CodePointSet> LazyPunctuation = new(() => CharacterClasses.Property("p")!.Apart(Ranges(Punctuation)).Or(CodePointSet.Of(('!', '/'), (':', '@'), ('[', '`'), ('{', '~'))));

    private static readonly Lazy<CodePointSet> LazyMark = new(() => CharacterClasses.Property("m")!.Apart(Ranges(Marks)));

    private static readonly Lazy<CodePointSet> LazyNonspacing = new(() => CharacterClasses.Property("mn")!.Apart(Ranges(Nonspacing)));

    private static readonly Lazy<CodePointSet> LazyNumber = new(() => CharacterClasses.Property("n")!.Or(CodePointSet.Of((0x11de0, 0x11de9), (0x16ff4, 0x16ff6))));

    private static readonly Lazy<CodePointSet> LazyControl = new(() => CharacterClasses.Property("cc")!.Or(CharacterClasses.Property("cf")!).Or(CharacterClasses.Property("co")!)
        .And(CodePointSet.Of((0x9, 0xa), (0xd, 0xd), (0x890, 0x891), (0x8e2, 0x8e2), (0x110cd, 0x110cd), (0x13430, 0x1343f)).Not()));

    private static readonly Lazy<CodePointSet> LazyYoung = new(() => CharacterClasses.Property("m")!.And(Ranges(Marks)).Or(CodePointSet.Of(
        (0x32ff, 0x32ff), (0xa7f1, 0xa7f4), (0xab69, 0xab69), (0xfffe, 0xffff), (0x105c9, 0x105c9), (0x105e4, 0x105e4), (0x10781, 0x107ba), (0x11383, 0x11391), (0x113c5, 0x113c8), (0x11938, 0x11938),
        (0x16121, 0x16128), (0x16d63, 0x16d6a), (0x1ccd6, 0x1ccf9), (0x1e030, 0x1e06d), (0x1f16c, 0x1f16c), (0x1fbf0, 0x1fbf9))));

    /// <summary>Signs that BERT and the pre-tokenizer Punctuation split at.</summary>
    internal static CodePointSet IsPunctuation => LazyPunctuation.Value;

    /// <summary>What StripAccents removes.</summary>
    internal static CodePointSet IsMark => LazyMark.Value;

    /// <summary>What BERT takes for an accent.</summary>
    internal static CodePointSet IsNonspacing => LazyNonspacing.Value;

    /// <summary>Numbers that Digits splits at, of Unicode 17.</summary>
    internal static CodePointSet IsNumber => LazyNumber.Value;

    /// <summary>What BERT's cleaning removes: control, format and private characters that Unicode 8 knew.</summary>
    internal static CodePointSet IsControl => LazyControl.Value;

    /// <summary>Characters that a normal form leaves alone and that separate what stands on their sides: they came after Unicode 9.</summary>
    internal static CodePointSet IsYoung => LazyYoung.Value;

    private static readonly Dictionary<int, string> Lowered = new()
    {
        [0x130] = "i\u0307",
        [0x1c89] = "\u1c8a",
        [0xa7cb] = "\u0264",
        [0xa7cc] = "\ua7cd",
        [0xa7ce] = "\ua7cf",
        [0xa7d2] = "\ua7d3",
        [0xa7d4] = "\ua7d5",
        [0xa7da] = "\ua7db",
        [0xa7dc] = "\u019b",
    };

    /// <summary>The small letters of a character, of Unicode 17 and without regard to its neighbours.</summary>
    internal static string Lower(int value) => value switch
    {
        _ when Lowered.TryGetValue(value, out var known) => known,
        >= 0x10d50 and <= 0x10d65 => char.ConvertFromUtf32(value + 0x20),
        >= 0x16ea0 and <= 0x16eb8 => char.ConvertFromUtf32(value + 0x1b),
        _ => System.Text.Rune.ToLowerInvariant(new(value)).ToString(),
    };

    /// <summary>Reads a list of ranges: how far each begins behind the last one, and its length less one; in base 16.</summary>
    internal static CodePointSet Ranges(string ranges)
    {
        if (Read.TryGetValue(ranges, out var set))
            return set;
        var at = 0;
        var read = new List<(int, int)>();
        foreach (var range in ranges.Split(';'))
        {
            var parts = range.Split(',');
            var first = at + Number(parts[0]);
            at = first + Number(parts[1]) + 1;
            read.Add((first, at - 1));
        }
        return Read[ranges] = CodePointSet.Of([.. read]);
    }

    private static int Number(string text) => int.Parse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
}
