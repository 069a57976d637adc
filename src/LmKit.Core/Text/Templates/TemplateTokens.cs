namespace LmKit;

/// <summary>The tokens of a template as a parser takes them: one current, one ahead, and how deep the parser is.</summary>
internal abstract class TemplateTokens
{
    private const int DeepestNesting = 100;
    private const int DeepestExpression = 400;

    private readonly IEnumerator<TemplateToken> tokens;
    private TemplateToken? ahead;
    private int depth;

    protected TemplateTokens(IEnumerable<TemplateToken> tokens)
    {
        this.tokens = tokens.GetEnumerator();
        Current = Read();
    }

    protected TemplateToken Current { get; private set; }

    protected TemplateToken Ahead => ahead ??= Read();

    protected TemplateToken Take()
    {
        var taken = Current;
        (Current, ahead) = (ahead ?? Read(), null);
        return taken;
    }

    protected bool Is(TemplateTokenKind kind, string text) => Current.Kind == kind && Current.Text == text;

    protected bool IsSign(string text) => Is(TemplateTokenKind.Operator, text);

    protected bool IsName(string name) => Is(TemplateTokenKind.Name, name);

    protected bool Skip(string text)
    {
        if (!IsSign(text) && !IsName(text))
            return false;
        _ = Take();
        return true;
    }

    protected void Expect(string text)
    {
        if (!Skip(text))
            throw Fault($"'{text}' is expected");
    }

    protected string Name() => Current.Kind == TemplateTokenKind.Name ? Take().Text : throw Fault("a name is expected");

    protected TemplateException Fault(string problem)
    {
        var text = Current.Text.Length > 100 ? Current.Text[..100] : Current.Text.Length > 0 ? Current.Text : Current.Kind.ToString();
        return new TemplateException($"line {Current.Line}: {problem}, not '{text}'.");
    }

    /// <summary>Goes one level deeper into the template as it is written.</summary>
    protected void Enter()
    {
        System.Runtime.CompilerServices.RuntimeHelpers.EnsureSufficientExecutionStack();
        if (++depth > DeepestNesting)
            throw new TemplateException($"line {Current.Line}: the template is nested deeper than {DeepestNesting}.");
    }

    protected void Leave() => depth--;

    /// <summary>Notes in an expression what it is made of.</summary>
    protected T Made<T>(T expression, params ReadOnlySpan<TemplateExpression?> parts)
        where T : TemplateExpression
    {
        foreach (var part in parts)
        {
            if (part is null)
                continue;
            expression.Depth = Math.Max(expression.Depth, part.Depth + 1);
            expression.Calls |= part.Calls;
        }
        return expression.Depth <= DeepestExpression
            ? expression
            : throw new TemplateException($"line {Current.Line}: an expression of more than {DeepestExpression} parts that stand in each other.");
    }

    private TemplateToken Read()
    {
        _ = tokens.MoveNext(); // the last token says that it is the last
        return tokens.Current;
    }
}

/// <summary>One token of a template: plain text, a delimiter, or a token of an expression.</summary>
internal readonly record struct TemplateToken(TemplateTokenKind Kind, string Text, int Line);

/// <summary>Kinds of template tokens.</summary>
internal enum TemplateTokenKind
{
    Data,
    OutputStart,
    OutputEnd,
    BlockStart,
    BlockEnd,
    Name,
    String,
    Integer,
    Float,
    Operator,
    End,
}
