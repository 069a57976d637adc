using System.Runtime.CompilerServices;

namespace LmKit;

/// <summary>What one rendering of a template may cost: work, memory and depth, charged by everything a template can do.</summary>
/// <remarks>Work is counted in steps: a part of an expression, a node, a comparison, 16 copied items or 256 characters read are one
/// step each. Memory is all texts and lists that the template makes, whether still in use or not, so that it bounds what is in use at
/// any moment; what the messages bring raises it.</remarks>
/// <param name="given">The characters of the variables that the template is given.</param>
internal sealed class TemplateBudget(long given)
{
    internal const int MostSteps = 1_000_000;
    internal const int LongestText = 8 << 20;
    internal const int DeepestValue = 100;

    private const int LeastMemory = 24 << 20;
    private const int MemoryOfACharacter = 64; // made of each character given: some thirty copies of a conversation
    private const int UnitsOfAStep = 256;
    private const int UnitsOfAnItem = 16;
    private const int DeepestRun = 2_000;

    private readonly long mostMemory = LeastMemory + (MemoryOfACharacter * Math.Min(given, int.MaxValue));
    private long work;
    private long memory;
    private int depth;

    internal void Step(long count = 1) => Work(count > MostSteps ? long.MaxValue / 2 : count * UnitsOfAStep);

    /// <summary>Charges for looking at characters.</summary>
    internal void Read(long characters) => Work(characters);

    /// <summary>Charges for a text that is about to be made.</summary>
    internal void Text(long characters)
    {
        if (characters > LongestText)
            throw new TemplateException($"a text of {characters} characters is longer than the {LongestText} that are allowed.");
        Memory(48 + (2 * characters));
        Work(characters / 16);
    }

    /// <summary>Charges for a list or mapping that is about to be made.</summary>
    internal void Items(long count, int bytesEach = 8)
    {
        Memory(72 + Math.Min(count, int.MaxValue) * bytesEach);
        Work(Math.Min(count, int.MaxValue) * UnitsOfAnItem);
    }

    /// <summary>Charges for memory of another kind.</summary>
    internal void Memory(long bytes)
    {
        memory += bytes;
        if (memory > mostMemory)
            throw new TemplateException($"the template makes more than {mostMemory >> 20} MiB of texts and lists.");
    }

    /// <summary>Goes one level deeper into the template's own parts.</summary>
    internal void Enter()
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        if (++depth > DeepestRun)
            throw new TemplateException($"the template runs deeper than {DeepestRun} levels.");
    }

    internal void Leave() => depth--;

    /// <summary>Goes into a value's parts, which are <paramref name="level"/> deep.</summary>
    internal void Descend(int level)
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        Step();
        if (level > DeepestValue)
            throw new TemplateException($"a value is nested deeper than {DeepestValue}.");
    }

    private void Work(long units)
    {
        work += units;
        if (work > (long)MostSteps * UnitsOfAStep)
            throw new TemplateException($"the template takes more than {MostSteps} steps.");
    }
}
