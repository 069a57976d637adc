namespace LmKit;

/// <summary>The names that a part of a template sees.</summary>
internal sealed class TemplateScope(TemplateScope? parent)
{
    private const int FewNames = 8;

    private (string Name, object? Value)[] few = [];
    private int count;
    private Dictionary<string, object?>? many;

    internal void Set(string name, object? value)
    {
        if (many is not null)
        {
            many[name] = value;
            return;
        }
        for (var place = 0; place < count; place++)
        {
            if (few[place].Name == name)
            {
                few[place].Value = value;
                return;
            }
        }
        if (count == FewNames)
        {
            many = few.ToDictionary(pair => pair.Name, pair => pair.Value, StringComparer.Ordinal);
            many[name] = value;
            return;
        }
        if (count == few.Length)
            Array.Resize(ref few, count == 0 ? 2 : 2 * count);
        few[count++] = (name, value);
    }

    internal bool TryFind(string name, out object? value)
    {
        for (var scope = this; scope is not null; scope = scope.Parent)
        {
            if (scope.TryOwn(name, out value))
                return true;
        }
        value = null;
        return false;
    }

    private TemplateScope? Parent => parent;

    private bool TryOwn(string name, out object? value)
    {
        if (many is not null)
            return many.TryGetValue(name, out value);
        for (var place = 0; place < count; place++)
        {
            if (few[place].Name == name)
            {
                value = few[place].Value;
                return true;
            }
        }
        value = null;
        return false;
    }
}
