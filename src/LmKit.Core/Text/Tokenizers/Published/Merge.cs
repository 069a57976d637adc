namespace LmKit;

/// <summary>Two ids that are joined where they stand side by side.</summary>
/// <param name="Left">The left one.</param>
/// <param name="Right">The right one.</param>
/// <param name="Rank">Smaller ones go first.</param>
/// <param name="Id">What comes of it.</param>
internal readonly record struct Merge(int Left, int Right, int Rank, int Id);
