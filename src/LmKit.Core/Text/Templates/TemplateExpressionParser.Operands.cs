using System.Globalization;

namespace LmKit;

internal partial class TemplateExpressionParser
{
    private static readonly ConstantExpression True = new(true);
    private static readonly ConstantExpression False = new(false);
    private static readonly ConstantExpression None = new((object?)null);

    private readonly Dictionary<string, TemplateExpression> shared = new(StringComparer.Ordinal);

    private TemplateExpression Primary()
    {
        switch (Current.Kind)
        {
            case TemplateTokenKind.String:
                var text = Take().Text;
                if (Current.Kind == TemplateTokenKind.String)
                {
                    var all = new System.Text.StringBuilder(text);
                    while (Current.Kind == TemplateTokenKind.String)
                        _ = all.Append(Take().Text);
                    text = all.ToString();
                }
                return Shared("'" + text, () => new ConstantExpression(MarkedText.Trusted(text)));
            case TemplateTokenKind.Integer:
                var digits = Take();
                return Shared(digits.Text, () => new ConstantExpression(Whole(digits)));
            case TemplateTokenKind.Float:
                return new ConstantExpression(double.Parse(Take().Text.Replace("_", "", StringComparison.Ordinal), CultureInfo.InvariantCulture));
            case TemplateTokenKind.Name:
                var name = Take().Text;
                return name switch
                {
                    "true" or "True" => True,
                    "false" or "False" => False,
                    "none" or "None" => None,
                    _ => Shared(name, () => new NameExpression(name)),
                };
            case TemplateTokenKind.Operator when Skip("("):
                if (Skip(")"))
                    return new ListExpression([], IsTuple: true);
                var inner = Tuple();
                Expect(")");
                return inner;
            case TemplateTokenKind.Operator when Skip("["):
                var items = Items("]", () => Expression());
                return Made(new ListExpression(items, IsTuple: false), [.. items]);
            case TemplateTokenKind.Operator when Skip("{"):
                var members = Items("}", () =>
                {
                    var key = Expression();
                    Expect(":");
                    return (key, Expression());
                });
                return Made(new DictionaryExpression(members), [.. members.SelectMany(member => new[] { member.key, member.Item2 })]);
            default:
                throw Fault("a value is expected");
        }
    }

    // One expression for all places of a short name or constant.
    private TemplateExpression Shared(string text, Func<TemplateExpression> make)
    {
        if (shared.TryGetValue(text, out var known))
            return known;
        var made = make();
        if (text.Length < 50 && shared.Count < 1_000)
            shared.Add(text, made);
        return made;
    }

    private static long Whole(TemplateToken token)
    {
        try
        {
            return TemplateNumbers.TryWhole(token.Text, 0) ?? throw new TemplateException($"'{token.Text}' is no whole number.");
        }
        catch (TemplateException error)
        {
            throw new TemplateException($"line {token.Line}: {error.Message}");
        }
    }

    private List<T> Items<T>(string end, Func<T> item)
    {
        var items = new List<T>();
        while (!Skip(end))
        {
            items.Add(item());
            if (!Skip(",") && !IsSign(end))
                throw Fault($"',' or '{end}' is expected");
        }
        return items;
    }

    private TemplateExpression Postfix(TemplateExpression value)
    {
        while (Current.Kind == TemplateTokenKind.Operator)
        {
            if (Skip("."))
                value = Current.Kind == TemplateTokenKind.Integer ? Made(new IndexExpression(value, Primary()), value) : Made(new MemberExpression(value, Name()), value);
            else if (Skip("["))
                value = Subscript(value);
            else if (IsSign("("))
                value = Call(value);
            else
                break;
        }
        return value;
    }

    private CallExpression Call(TemplateExpression callee)
    {
        var arguments = Arguments();
        var call = Made(new CallExpression(callee, arguments), [callee, .. arguments.All]);
        call.Calls = true;
        return call;
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
                if (parts[index] is not null)
                    throw Fault("']' is expected");
                parts[index] = Expression();
            }
        }
        if (isSlice)
            return Made(new SliceExpression(value, parts[0], parts[1], parts[2]), value, parts[0], parts[1], parts[2]);
        return Made(new IndexExpression(value, parts[0] ?? throw Fault("an index is expected")), value, parts[0]);
    }

    private TemplateExpression Filters(TemplateExpression value)
    {
        while (true)
        {
            if (Skip("|"))
            {
                var name = Name();
                var arguments = IsSign("(") ? Arguments() : TemplateArguments.None;
                value = Made(new FilterExpression(value, name, arguments), [value, .. arguments.All]);
            }
            else if (Skip("is"))
            {
                var isNegated = Skip("not");
                var name = Name();
                var arguments = TestArguments();
                value = Made(new TestExpression(value, name, arguments, isNegated), [value, .. arguments.All]);
            }
            else if (IsSign("("))
            {
                value = Call(value);
            }
            else
            {
                return value;
            }
        }
    }

    private TemplateArguments TestArguments()
    {
        if (IsSign("("))
            return Arguments();
        var takesOne = Current.Kind is TemplateTokenKind.String or TemplateTokenKind.Integer or TemplateTokenKind.Float
            || (Current.Kind == TemplateTokenKind.Name && Current.Text is not ("and" or "or" or "not" or "is" or "if" or "else" or "in"))
            || (Current.Kind == TemplateTokenKind.Operator && Current.Text is "[" or "{");
        return takesOne ? new TemplateArguments([Postfix(Primary())], []) : TemplateArguments.None;
    }
}
