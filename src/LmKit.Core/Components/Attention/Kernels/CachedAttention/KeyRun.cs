namespace LmKit;

/// <summary>Neighbouring slots of a cache that one query sees alike.</summary>
/// <param name="Start">The first slot.</param>
/// <param name="Length">How many.</param>
internal readonly record struct KeyRun(int Start, int Length);
