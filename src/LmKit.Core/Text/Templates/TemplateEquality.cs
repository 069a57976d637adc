namespace LmKit;

/// <summary>Which values of a template are equal, which come first and which hold others.</summary>
internal static class TemplateEquality
{
    internal static bool Equal(object? left, object? right, TemplateBudget budget, int level = 0)
    {
        budget.Descend(level);
        switch (left, right)
        {
            case (MarkedText a, MarkedText b):
                budget.Read(a.Length == b.Length ? a.Length : 1);
                return a.Text == b.Text;
            case (bool or long or double, bool or long or double):
                return TemplateNumbers.Compare(left, right) == 0;
            case (TemplateList a, TemplateList b) when IsTuple(a) == IsTuple(b) && a.IsSequence && b.IsSequence && (a.Kind == TemplateListKind.Range) == (b.Kind == TemplateListKind.Range):
                if (a.Count != b.Count)
                    return false;
                for (var index = 0; index < a.Count; index++)
                {
                    if (!Same(a.Items[index], b.Items[index], budget, level + 1))
                        return false;
                }
                return true;
            case (TemplateDictionary a, TemplateDictionary b):
                if (a.Count != b.Count)
                    return false;
                foreach (var (key, value) in a.Entries)
                {
                    if (!b.TryGet(key, budget, out var other) || !Same(value, other, budget, level + 1))
                        return false;
                }
                return true;
            case (TemplateUndefined, TemplateUndefined):
                return true;
            default:
                return ReferenceEquals(left, right);
        }
    }

    internal static int Order(object? left, object? right, TemplateBudget budget, int level = 0)
    {
        budget.Descend(level);
        switch (left, right)
        {
            case (MarkedText a, MarkedText b):
                var same = a.Text.AsSpan().CommonPrefixLength(b.Text);
                budget.Read(same);
                return same < a.Length && same < b.Length ? Rank(a.Text[same]).CompareTo(Rank(b.Text[same])) : a.Length.CompareTo(b.Length);
            case (bool or long or double, bool or long or double):
                return TemplateNumbers.Compare(left, right) ?? throw new TemplateException("nan has no order.");
            case (TemplateList a, TemplateList b) when IsTuple(a) == IsTuple(b) && a.IsSequence && b.IsSequence && a.Kind != TemplateListKind.Range && b.Kind != TemplateListKind.Range:
                for (var index = 0; index < a.Count && index < b.Count; index++)
                {
                    if (!Same(a.Items[index], b.Items[index], budget, level + 1))
                        return Order(a.Items[index], b.Items[index], budget, level + 1);
                }
                return a.Count.CompareTo(b.Count);
            default:
                throw new TemplateException($"{TemplateValues.Kind(left)} and {TemplateValues.Kind(right)} have no order.");
        }
    }

    internal static bool Contains(object? whole, object? part, TemplateBudget budget)
    {
        switch (whole)
        {
            case MarkedText text:
                return part is MarkedText wanted
                    ? TextSearch.First(text.Text, wanted.Text, 0, budget) >= 0
                    : throw new TemplateException($"a text holds texts only, not {TemplateValues.Kind(part)}.");
            case TemplateDictionary members:
                return members.TryGet(part, budget, out _);
            case TemplateList list:
                foreach (var item in list.Items)
                {
                    if (Same(item, part, budget, 1))
                        return true;
                }
                return false;
            case TemplateUndefined:
                return false;
            default:
                throw new TemplateException($"{TemplateValues.Kind(whole)} contains nothing.");
        }
    }

    /// <summary>Sorts, equal items in their order; an order that there is not is the template's own fault and stays one.</summary>
    internal static T[] Sorted<T>(IReadOnlyList<T> items, Func<T, object?> key, bool isReversed, TemplateBudget budget)
    {
        budget.Items(3L * items.Count);
        var from = items.Select(item => (Key: key(item), Item: item)).ToArray();
        var to = new (object? Key, T Item)[from.Length];
        for (var width = 1; width < from.Length; width *= 2)
        {
            for (var start = 0; start < from.Length; start += 2 * width)
                Merge(start, Math.Min(start + width, from.Length), Math.Min(start + (2 * width), from.Length));
            (from, to) = (to, from);
        }
        return [.. from.Select(pair => pair.Item)];

        void Merge(int left, int middle, int end)
        {
            for (var (place, right) = (left, middle); place < end; place++)
            {
                var takesRight = left >= middle || (right < end && IsBefore(from[right].Key, from[left].Key));
                to[place] = takesRight ? from[right++] : from[left++];
            }
            bool IsBefore(object? right, object? left) => isReversed ? Order(left, right, budget) < 0 : Order(right, left, budget) < 0;
        }
    }

    private static bool Same(object? left, object? right, TemplateBudget budget, int level) => (ReferenceEquals(left, right) && left is not null) || Equal(left, right, budget, level);

    private static bool IsTuple(TemplateList list) => list.Kind is TemplateListKind.Tuple or TemplateListKind.Group;

    // UTF-16 puts surrogates before U+E000, code points put them behind.
    private static int Rank(char letter) => letter >= '\ue000' ? letter - 0x800 : letter >= '\ud800' ? letter + 0x2000 : letter;
}
