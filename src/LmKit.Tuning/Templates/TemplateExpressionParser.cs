using System.Globalization;

namespace LmKit;

/// <summary>Parses the expressions of a template, by the precedence of Jinja.</summary>
internal class TemplateExpressionParser(IReadOnlyList<TemplateToken> tokens)
{
    private const int DeepestNesting = 100;

    private int place;
    private int depth;

    protected TemplateToken Current => tokens[Math.Min(place, tokens.Count - 1)];

    protected TemplateToken Take() => tokens[Math.Min(place++, tokens.Count - 1)];

    protected bool Is(TemplateTokenKind kind, string text) => Current.Kind == kind && Current.Text == text;

    protected bool IsName(string name) => Is(TemplateTokenKind.Name, name);

    protected bool Skip(string text)
    {
        if (!Is(TemplateTokenKind.Operator, text) && !IsName(text))
            return false;
        place++;
        return true;
    }

    protected void Expect(string text)
    {
        if (!Skip(text))
            throw Fault($"'{text}' is expected");
    }

    protected string Name() => Current.Kind == TemplateTokenKind.Name ? Take().Text : throw Fault("a name is expected");

    protected TemplateException Fault(string problem) => new($"line {Current.Line}: {problem}, not '{(Current.Text.Length > 0 ? Current.Text : Current.Kind)}'.");

    /// <summary>A whole expression; a comma makes a tuple of it.</summary>
    protected TemplateExpression Tuple()
    {
        var first = Expression();
        if (!Is(TemplateTokenKind.Operator, ","))
            return first;
        var items = new List<TemplateExpression> { first };
        while (Skip(",") && Current.Kind is not (TemplateTokenKind.BlockEnd or TemplateTokenKind.OutputEnd) && !Is(TemplateTokenKind.Operator, ")") && !Is(TemplateTokenKind.Operator, "="))
            items.Add(Expression());
        return new ListExpression(items);
    }

    protected TemplateExpression Expression(bool allowsCondition = true)
    {
        if (++depth > DeepestNesting)
            throw new TemplateException($"line {Current.Line}: the nesting is deeper than {DeepestNesting}.");
        var value = Or();
        while (allowsCondition && Skip("if"))
        {
            var test = Or();
            value = new ConditionalExpression(value, test, Skip("else") ? Expression() : null);
        }
        depth--;
        return value;
    }

    protected TemplateArguments Arguments()
    {
        var (positional, named) = (new List<TemplateExpression>(), new List<(string, TemplateExpression)>());
        Expect("(");
        while (!Skip(")"))
        {
            if (Current.Kind == TemplateTokenKind.Name && place + 1 < tokens.Count && tokens[place + 1] is { Kind: TemplateTokenKind.Operator, Text: "=" })
            {
                var name = Name();
                Expect("=");
                named.Add((name, Expression()));
            }
            else
            {
                positional.Add(Expression());
            }
            if (!Skip(",") && !Is(TemplateTokenKind.Operator, ")"))
                throw Fault("',' or ')' is expected");
        }
        return new TemplateArguments(positional, named);
    }

    private TemplateExpression Or() => Chain(And, "or");

    private TemplateExpression And() => Chain(Not, "and");

    private TemplateExpression Not()
    {
        var count = 0;
        while (Skip("not"))
            count++;
        var value = Compare();
        for (; count > 0; count--)
            value = new UnaryExpression("not", value);
        return value;
    }

    private TemplateExpression Compare()
    {
        var left = Sum();
        TemplateExpression? all = null;
        while (true)
        {
            string found;
            if (Current.Kind == TemplateTokenKind.Operator && Current.Text is "==" or "!=" or "<" or "<=" or ">" or ">=")
                found = Take().Text;
            else if (IsName("in"))
                found = Take().Text;
            else if (IsName("not") && tokens[place + 1] is { Kind: TemplateTokenKind.Name, Text: "in" })
                (found, place) = ("not in", place + 2);
            else
                return all ?? left;
            var right = Sum();
            var one = new BinaryExpression(found, left, right);
            all = all is null ? one : new BinaryExpression("and", all, one);
            left = right;
        }
    }

    private TemplateExpression Sum() => Chain(Joined, "+", "-");

    private TemplateExpression Joined() => Chain(Product, "~");

    private TemplateExpression Product() => Chain(Power, "*", "/", "//", "%");

    private TemplateExpression Power() => Chain(() => Unary(true), "**");

    private TemplateExpression Chain(Func<TemplateExpression> part, params string[] operators)
    {
        var left = part();
        while ((Current.Kind is TemplateTokenKind.Operator or TemplateTokenKind.Name) && operators.Contains(Current.Text))
            left = new BinaryExpression(Take().Text, left, part());
        return left;
    }

    private TemplateExpression Unary(bool withFilters)
    {
        TemplateExpression value;
        if (Current.Kind == TemplateTokenKind.Operator && Current.Text is "-" or "+" && Current.Kind == TemplateTokenKind.Operator)
        {
            if (++depth > DeepestNesting)
                throw new TemplateException($"line {Current.Line}: the nesting is deeper than {DeepestNesting}.");
            value = new UnaryExpression(Take().Text, Unary(false));
            depth--;
        }
        else
        {
            value = Primary();
        }
        value = Postfix(value);
        return withFilters ? Filters(value) : value;
    }

    private TemplateExpression Primary()
    {
        var token = Take();
        switch (token.Kind)
        {
            case TemplateTokenKind.String:
                var text = token.Text;
                while (Current.Kind == TemplateTokenKind.String)
                    text += Take().Text;
                return new ConstantExpression(MarkedText.Trusted(text));
            case TemplateTokenKind.Integer:
                return new ConstantExpression(long.TryParse(token.Text, CultureInfo.InvariantCulture, out var whole) ? whole : throw new TemplateException($"line {token.Line}: {token.Text} is too large."));
            case TemplateTokenKind.Float:
                return new ConstantExpression(double.Parse(token.Text, CultureInfo.InvariantCulture));
            case TemplateTokenKind.Name:
                return token.Text switch
                {
                    "true" or "True" => new ConstantExpression(true),
                    "false" or "False" => new ConstantExpression(false),
                    "none" or "None" => new ConstantExpression(null),
                    _ => new NameExpression(token.Text),
                };
            case TemplateTokenKind.Operator when token.Text == "(":
                if (Skip(")"))
                    return new ListExpression([]);
                var inner = Tuple();
                Expect(")");
                return inner;
            case TemplateTokenKind.Operator when token.Text == "[":
                return new ListExpression(Items("]", () => Expression()));
            case TemplateTokenKind.Operator when token.Text == "{":
                return new DictionaryExpression(Items("}", () =>
                {
                    var key = Expression();
                    Expect(":");
                    return (key, Expression());
                }));
            default:
                place--;
                throw Fault("a value is expected");
        }
    }

    private List<T> Items<T>(string end, Func<T> item)
    {
        var items = new List<T>();
        while (!Skip(end))
        {
            items.Add(item());
            if (!Skip(",") && !Is(TemplateTokenKind.Operator, end))
                throw Fault($"',' or '{end}' is expected");
        }
        return items;
    }

    private TemplateExpression Postfix(TemplateExpression value)
    {
        while (Current.Kind == TemplateTokenKind.Operator)
        {
            if (Skip("."))
                value = Current.Kind == TemplateTokenKind.Integer ? new IndexExpression(value, Primary()) : new MemberExpression(value, Name());
            else if (Skip("["))
                value = Subscript(value);
            else if (Is(TemplateTokenKind.Operator, "("))
                value = new CallExpression(value, Arguments());
            else
                break;
        }
        return value;
    }

    private TemplateExpression Subscript(TemplateExpression value)
    {
        var parts = new TemplateExpression?[3];
        var (index, isSlice) = (0, false);
        while (!Skip("]"))
        {
            if (Skip(":"))
            {
                isSlice = true;
                if (++index > 2)
                    throw Fault("a slice has three parts at most");
            }
            else
            {
                parts[index] = Expression();
            }
        }
        return isSlice ? new SliceExpression(value, parts[0], parts[1], parts[2]) : new IndexExpression(value, parts[0] ?? throw Fault("an index is expected"));
    }

    private TemplateExpression Filters(TemplateExpression value)
    {
        while (true)
        {
            if (Skip("|"))
            {
                var name = Name();
                value = new FilterExpression(value, name, Is(TemplateTokenKind.Operator, "(") ? Arguments() : TemplateArguments.None);
            }
            else if (Skip("is"))
            {
                var isNegated = Skip("not");
                value = new TestExpression(value, Name(), TestArguments(), isNegated);
            }
            else if (Is(TemplateTokenKind.Operator, "("))
            {
                value = new CallExpression(value, Arguments());
            }
            else
            {
                return value;
            }
        }
    }

    private TemplateArguments TestArguments()
    {
        if (Is(TemplateTokenKind.Operator, "("))
            return Arguments();
        var takesOne = Current.Kind is TemplateTokenKind.String or TemplateTokenKind.Integer or TemplateTokenKind.Float
            || (Current.Kind == TemplateTokenKind.Name && Current.Text is not ("and" or "or" or "not" or "is" or "if" or "else" or "in"))
            || (Current.Kind == TemplateTokenKind.Operator && Current.Text is "[" or "{" && Current.Kind == TemplateTokenKind.Operator);
        return takesOne ? new TemplateArguments([Postfix(Primary())], []) : TemplateArguments.None;
    }
}
