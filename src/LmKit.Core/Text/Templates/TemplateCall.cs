namespace LmKit;

/// <summary>The evaluated arguments of a filter, test, method or function, and the budget it works in.</summary>
internal sealed record TemplateCall(string Name, IReadOnlyList<object?> Positional, IReadOnlyList<(string Name, object? Value)> Named, TemplateBudget Budget)
{
    /// <summary>Refuses arguments that what is called does not have, so that none is passed over.</summary>
    /// <param name="required">How many must be there.</param>
    /// <param name="names">All of them, in order.</param>
    internal void Takes(int required, params ReadOnlySpan<string> names)
    {
        if (Positional.Count > names.Length)
            throw new TemplateException($"{Name} takes {(names.Length == 0 ? "no arguments" : $"{names.Length} at most ({string.Join(", ", names)})")}, not {Positional.Count}.");
        foreach (var (name, _) in Named)
        {
            var place = names.IndexOf(name);
            if (place < 0)
                throw new TemplateException($"{Name} has no argument '{name}'{(names.Length == 0 ? "" : $"; it has {string.Join(", ", names)}")}.");
            if (place < Positional.Count)
                throw new TemplateException($"{Name} is given its argument '{name}' twice.");
        }
        for (var place = Positional.Count; place < required; place++)
        {
            if (!Has(place, names[place]))
                throw new TemplateException($"{Name} needs the argument '{names[place]}'.");
        }
    }

    internal void TakesPositional(int least, int most)
    {
        if (Named.Count > 0)
            throw new TemplateException($"{Name} takes no named arguments, and so no '{Named[0].Name}'.");
        if (Positional.Count < least || Positional.Count > most)
            throw new TemplateException($"{Name} takes {(least == most ? $"{least}" : $"{least} to {most}")} arguments, not {Positional.Count}.");
    }

    internal bool Has(int index, string name) => index < Positional.Count || Find(name) >= 0;

    internal object? Get(int index, string name, object? otherwise = null)
    {
        if (index >= 0 && index < Positional.Count)
            return Positional[index];
        var place = Find(name);
        return place < 0 ? otherwise : Named[place].Value;
    }

    internal MarkedText Text(int index, string name) => TemplatePrinting.Text(Get(index, name), Budget);

    /// <summary>A text that must be one.</summary>
    internal MarkedText Word(int index, string name) => Get(index, name) is MarkedText text
        ? text
        : throw new TemplateException($"the argument '{name}' of {Name} is a text, not {TemplateValues.Kind(Get(index, name))}.");

    internal long Whole(int index, string name, long otherwise) => Has(index, name) ? TemplateNumbers.Whole(Get(index, name)) : otherwise;

    internal bool Flag(int index, string name) => TemplateValues.IsTrue(Get(index, name, false));

    private int Find(string name)
    {
        for (var place = 0; place < Named.Count; place++)
        {
            if (Named[place].Name == name)
                return place;
        }
        return -1;
    }
}
