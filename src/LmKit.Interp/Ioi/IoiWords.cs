namespace LmKit;

/// <summary>Words and templates of IOI prompts; every name must be one token of the tokenizer in use.</summary>
/// <param name="Names">Names.</param>
/// <param name="Places">Places.</param>
/// <param name="Objects">Objects.</param>
/// <param name="Templates">Word lists of equal length with the slots A, B (introduced), C (the subject), PLACE and OBJECT.</param>
public sealed record IoiWords(IReadOnlyList<string> Names, IReadOnlyList<string> Places, IReadOnlyList<string> Objects, IReadOnlyList<string> Templates)
{
    /// <summary>Forty names, ten places, ten objects and three templates of eighteen words.</summary>
    public static IoiWords Small { get; } = new(
        [
            "Anna", "Ben", "Carl", "Dora", "Emma", "Finn", "Greta", "Hugo", "Iris", "Jack", "Kate", "Leon", "Mary", "Noah", "Olga", "Paul", "Rita", "Sam", "Tess", "Uma",
            "Vera", "Will", "Xena", "Yuri", "Zoe", "Adam", "Bella", "Clara", "David", "Eva", "Frank", "Gina", "Henry", "Ida", "John", "Karl", "Lena", "Max", "Nora", "Otto",
        ],
        ["park", "school", "shop", "station", "garden", "museum", "beach", "office", "market", "library"],
        ["book", "ring", "cake", "ball", "lamp", "drum", "key", "letter", "map", "rose"],
        [
            "Today , A and B walked for hours around the PLACE . Then C handed the OBJECT to",
            "Yesterday , A and B were in the PLACE all day . Later C sent the OBJECT to",
            "Once , A and B got lost near the old PLACE . Soon C lent a OBJECT to",
        ]);
}
