namespace LmKit;

/// <summary>Unicode's alphabetic, large and small characters, which are more than the letters of those categories.</summary>
/// <remarks>Read off Oniguruma's answers for every character; each list holds the characters at which the categories alone say otherwise.</remarks>
internal static class LetterClasses
{
    // How far behind the last range, length less one; in base 16.
    private const string Alphabetic =
        "300,44;1,1c;120,4;109,1e;a8,0;86,1;9,2;53,a;a0,8;9,0;1a,1;13,0;2b,2;3c,7;2a,9;c,1;8,5;4c,0;10,0;3,3;67,0;10,0;30,0;3d,0;10,0;6e,0;10,0;2f,2;3c,0;10,0;"
        + "7,0;77,0;6e,0;10,0;6e,0;10,0;6d,1;10,0;7c,0;7c,5;1,0;6b,0;d,4;1,0;49,1;1b,0;1,0;1,0;4,1;44,0;1,1;3e,0;70,0;1,1;322,2;3b4,1;1e,0;7f,1;13,a;9,0;2d,2;1,0"
        + ";129,2;124,0;14,7;2,0;30,d;3,a;68,0;f,0;26,8;36,1;3a,0;b,1;43,0;98,2;1,14;4,0;6,0;2,2;c6,12;22,a;2d0,c;4,0;3,b;bfe,2;8d,0;2aa,5;69,1;75d4,0;c,1;72,1;1"
        + "14,0;25,0;97,0;1b,11;39,2;25,0;5f,0;c,0;fe,0;1,0;34,0;f5,1;5212,f;10,f;3cd,0;e2,0;757,2;4,0;a5,1;283,3;18f,2;46,a;31,3;c0,0;29,0;e,0;39,1;78,1;3e,0;4c"
        + ",0;8,3;68,1;b2,1;50,1;10,0;18,6;3,4;59,2;1,0;e,1;5f,0;3,0;17,0;63,1;fb,1;7e,0;76,1;73,0;10d,1;102,1;4,0;9c,0;52,1;12,0;50,1;1a5,0;102,0;1,1;51,0;1a9,1"
        + ";17,0;14e5,0;6,e;2cd9,0;9c0,4;3b,6;4ad,0;4cb8,0;1262,2d;2,16;21e,4;3,5;8,7;2,6;1e,3;94,2;7bb,36;4,31;8,0;e,0;16,4;1,e;680,6;177,0;3d,3;1fc,3;fe,1;2e0,"
        + "6;6d,2;1,2;c17b5,ef";

    private const string Small =
        "aa,0;f,0;1f5,8;7,1;1e,4;60,0;34,0;d81,0;c2f,3e;d,0;22,24;2b1,0;d,0;10,c;d3,f;350,19;792,1;7a1e,1;d2,0;81,2;3,1;362,3;9,0;5c16,0;2,2;1,29;1,8;d875,3d";

    private static readonly (int, int)[] Large = [(0x2160, 0x216f), (0x24b6, 0x24cf), (0x1f130, 0x1f149), (0x1f150, 0x1f169), (0x1f170, 0x1f189)];

    /// <summary>Letters, numbers that are letters, letters in circles, and most marks.</summary>
    internal static CodePointSet IsAlphabetic() =>
        CharacterClasses.Property("l")!.Or(CharacterClasses.Property("nl")!).Or(CharacterClasses.Property("mn")!).Or(CharacterClasses.Property("mc")!).Or(CharacterClasses.Circled).Apart(OlderUnicode.Ranges(Alphabetic));

    /// <summary>Large letters, those in circles and large Roman numbers too.</summary>
    internal static CodePointSet IsLarge() => CharacterClasses.Property("lu")!.Or(CodePointSet.Of(Large));

    /// <summary>Small letters, those that are raised or in circles and small Roman numbers too.</summary>
    internal static CodePointSet IsSmall() => CharacterClasses.Property("ll")!.Apart(OlderUnicode.Ranges(Small));
}
