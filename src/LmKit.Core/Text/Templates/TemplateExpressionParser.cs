namespace LmKit;

/// <summary>Parses the expressions of a template, by the precedence of Jinja.</summary>
internal partial class TemplateExpressionParser(IEnumerable<TemplateToken> tokens) : TemplateTokens(tokens)
{
    /// <summary>A whole expression; a comma makes a tuple of it.</summary>
    protected TemplateExpression Tuple(bool allowsCondition = true)
    {
        var first = Expression(allowsCondition);
        if (!IsSign(","))
            return first;
        var items = new List<TemplateExpression> { first };
        while (Skip(",") && Current.Kind is not (TemplateTokenKind.BlockEnd or TemplateTokenKind.OutputEnd) && !IsSign(")") && !IsSign("="))
            items.Add(Expression(allowsCondition));
        return Made(new ListExpression(items, IsTuple: true), [.. items]);
    }

    protected TemplateExpression Expression(bool allowsCondition = true)
    {
        Enter();
        var value = Or();
        while (allowsCondition && Skip("if"))
        {
            var test = Or();
            var otherwise = Skip("else") ? Expression() : null;
            value = Made(new ConditionalExpression(value, test, otherwise), value, test, otherwise);
        }
        Leave();
        return value;
    }

    protected TemplateArguments Arguments()
    {
        Expect("(");
        if (Skip(")"))
            return TemplateArguments.None;
        var (positional, named) = (new List<TemplateExpression>(), new List<(string Name, TemplateExpression)>());
        while (!Skip(")"))
        {
            if (IsSign("*") || IsSign("**"))
                throw Fault("an argument is expected; lists of arguments are not supported");
            if (Current.Kind == TemplateTokenKind.Name && Ahead is { Kind: TemplateTokenKind.Operator, Text: "=" })
            {
                var name = Name();
                Expect("=");
                if (named.Count > 100 || named.Exists(one => one.Name == name))
                    throw Fault($"the argument '{name}' is given twice, or more than 100 are given by name");
                named.Add((name, Expression()));
            }
            else
            {
                if (named.Count > 0)
                    throw Fault("an argument with a name is expected");
                positional.Add(Expression());
            }
            if (!Skip(",") && !IsSign(")"))
                throw Fault("',' or ')' is expected");
        }
        return new TemplateArguments(positional, named);
    }

    private TemplateExpression Or() => Logical(And, "or");

    private TemplateExpression And() => Logical(Not, "and");

    private TemplateExpression Logical(Func<TemplateExpression> part, string name)
    {
        var first = part();
        if (!IsName(name))
            return first;
        var parts = new List<TemplateExpression> { first };
        while (Skip(name))
            parts.Add(part());
        return Made(new LogicalExpression(name == "and", parts), [.. parts]);
    }

    private TemplateExpression Not()
    {
        if (!IsName("not"))
            return Compare();
        Enter();
        _ = Take();
        var value = Not();
        Leave();
        return Made(new UnaryExpression("not", value), value);
    }

    private TemplateExpression Compare()
    {
        var first = Sum();
        List<(string, TemplateExpression)>? rest = null;
        while (true)
        {
            string found;
            if (Current.Kind == TemplateTokenKind.Operator && Current.Text is "==" or "!=" or "<" or "<=" or ">" or ">=")
            {
                found = Take().Text;
            }
            else if (IsName("in"))
            {
                found = Take().Text;
            }
            else if (IsName("not") && Ahead is { Kind: TemplateTokenKind.Name, Text: "in" })
            {
                (found, _, _) = ("not in", Take(), Take());
            }
            else
            {
                if (rest is null)
                    return first;
                return Made(new ComparisonExpression(first, rest), [first, .. rest.Select(one => one.Item2)]);
            }
            (rest ??= []).Add((found, Sum()));
        }
    }

    private TemplateExpression Sum() => Chain(Joined, "+", "-");

    private TemplateExpression Joined()
    {
        var first = Product();
        if (!IsSign("~"))
            return first;
        var parts = new List<TemplateExpression> { first };
        while (Skip("~"))
            parts.Add(Product());
        return Made(new JoinExpression(parts), [.. parts]);
    }

    private TemplateExpression Product() => Chain(Power, "*", "/", "//", "%");

    private TemplateExpression Power() => Chain(() => Unary(true), "**");

    private TemplateExpression Chain(Func<TemplateExpression> part, params string[] operators)
    {
        var left = part();
        while (Current.Kind is TemplateTokenKind.Operator && Array.IndexOf(operators, Current.Text) >= 0)
        {
            var (sign, right) = (Take().Text, part());
            left = Made(new BinaryExpression(sign, left, right), left, right);
        }
        return left;
    }

    private TemplateExpression Unary(bool withFilters)
    {
        TemplateExpression value;
        if (IsSign("-") || IsSign("+"))
        {
            Enter();
            var sign = Take().Text;
            var inner = Unary(false);
            value = Made(new UnaryExpression(sign, inner), inner);
            Leave();
        }
        else
        {
            value = Primary();
        }
        value = Postfix(value);
        return withFilters ? Filters(value) : value;
    }
}
