namespace LmKit.House;

/// <summary>One row of the table.</summary>
/// <param name="Key">Its name in the file of the first figures.</param>
/// <param name="Title">What is counted, and how.</param>
/// <param name="Now">The count.</param>
/// <param name="Goal">What it is to become.</param>
/// <param name="Details">What was counted, line by line.</param>
internal sealed record Figure(string Key, string Title, string Now, string Goal, params IReadOnlyList<string> Details);
