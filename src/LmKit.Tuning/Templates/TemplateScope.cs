namespace LmKit;

/// <summary>The names that a part of a template sees.</summary>
internal sealed class TemplateScope(TemplateScope? parent)
{
    private readonly Dictionary<string, object?> names = new(StringComparer.Ordinal);

    internal object? this[string name]
    {
        set => names[name] = value;
    }

    internal object? Find(string name)
    {
        for (var scope = this; scope is not null; scope = scope.Parent)
        {
            if (scope.names.TryGetValue(name, out var value))
                return value;
        }
        return new TemplateUndefined(name);
    }

    private TemplateScope? Parent => parent;
}
