namespace LmKit;

internal sealed partial class TemplateRenderer
{
    private const int DeepestCall = 100;

    private int calls;

    private object? Evaluate(TemplateExpression expression, TemplateScope scope)
    {
        switch (expression)
        {
            case ConstantExpression constant:
                budget.Step();
                return constant.Value;
            case NameExpression name:
                budget.Step();
                return Find(name.Name, scope);
            default:
                budget.Enter();
                budget.Step();
                var value = Compound(expression, scope);
                budget.Leave();
                return value;
        }
    }

    private object? Find(string name, TemplateScope scope)
    {
        if (!scope.TryFind(name, out var value))
            return new TemplateUndefined(name);
        return value is TemplateDefault waiting ? waiting.Value(this) : value;
    }

    private object? Compound(TemplateExpression expression, TemplateScope scope)
    {
        switch (expression)
        {
            case MemberExpression member:
                return TemplateIndexing.Member(Evaluate(member.Value, scope), member.Name);
            case IndexExpression index:
                return TemplateIndexing.At(Evaluate(index.Value, scope), Evaluate(index.Index, scope), budget);
            case SliceExpression slice:
                return TemplateIndexing.Slice(Evaluate(slice.Value, scope), Part(slice.Start, scope), Part(slice.Stop, scope), Part(slice.Step, scope), budget);
            case BinaryExpression binary:
                return TemplateArithmetic.Apply(binary.Operator, Evaluate(binary.Left, scope), Evaluate(binary.Right, scope), budget);
            case ComparisonExpression comparison:
                return Compared(comparison, scope);
            case LogicalExpression logical:
                return Logical(logical, scope);
            case JoinExpression join:
                return MarkedText.Join([.. Several(join.Parts, scope).Select(part => TemplatePrinting.Text(part, budget))], budget);
            case UnaryExpression { Operator: "not" } not:
                return !TemplateValues.IsTrue(Evaluate(not.Value, scope));
            case UnaryExpression sign:
                var number = Evaluate(sign.Value, scope);
                return sign.Operator == "-" ? TemplateArithmetic.Negated(number) : number is double ? number : TemplateNumbers.Whole(number);
            case ConditionalExpression choice:
                return TemplateValues.IsTrue(Evaluate(choice.Test, scope)) ? Evaluate(choice.Value, scope)
                    : choice.Otherwise is null ? new TemplateUndefined("else") : Evaluate(choice.Otherwise, scope);
            case FilterExpression filter:
                return TemplateFilters.Apply(Evaluate(filter.Value, scope), Called(filter.Name, filter.Arguments, scope));
            case TestExpression test:
                return TemplateTests.Holds(Evaluate(test.Value, scope), Called(test.Name, test.Arguments, scope)) != test.IsNegated;
            case CallExpression call:
                return Call(call, scope);
            case ListExpression list:
                return new TemplateList(Several(list.Items, scope), list.IsTuple ? TemplateListKind.Tuple : TemplateListKind.List);
            default:
                budget.Items(0);
                var made = new TemplateDictionary();
                foreach (var (key, value) in ((DictionaryExpression)expression).Items)
                    made.Set(Evaluate(key, scope), Evaluate(value, scope), budget);
                return made;
        }
    }

    private object? Part(TemplateExpression? part, TemplateScope scope) => part is null ? null : Evaluate(part, scope);

    private object?[] Several(IReadOnlyList<TemplateExpression> parts, TemplateScope scope)
    {
        budget.Items(parts.Count);
        var values = new object?[parts.Count];
        for (var index = 0; index < values.Length; index++)
            values[index] = Evaluate(parts[index], scope);
        return values;
    }

    private bool Compared(ComparisonExpression comparison, TemplateScope scope)
    {
        var left = Evaluate(comparison.First, scope);
        foreach (var (sign, side) in comparison.Rest)
        {
            var right = Evaluate(side, scope);
            if (!(bool)TemplateArithmetic.Apply(sign, left, right, budget)!)
                return false;
            left = right;
        }
        return true;
    }

    private object? Logical(LogicalExpression logical, TemplateScope scope)
    {
        object? value = null;
        foreach (var part in logical.Parts)
        {
            value = Evaluate(part, scope);
            if (TemplateValues.IsTrue(value) != logical.IsAnd)
                break;
        }
        return value;
    }

    private TemplateCall Called(string name, TemplateArguments arguments, TemplateScope scope)
    {
        if (ReferenceEquals(arguments, TemplateArguments.None))
            return new TemplateCall(name, [], [], budget);
        var named = arguments.Named.Count == 0 ? [] : new (string, object?)[arguments.Named.Count];
        var positional = Several(arguments.Positional, scope);
        for (var index = 0; index < named.Length; index++)
            named[index] = (arguments.Named[index].Name, Evaluate(arguments.Named[index].Value, scope));
        return new TemplateCall(name, positional, named, budget);
    }

    private object? Call(CallExpression call, TemplateScope scope)
    {
        switch (call.Callee)
        {
            case MemberExpression method:
                var value = Evaluate(method.Value, scope);
                if (value is TemplateNamespace or TemplateDictionary && TemplateIndexing.Member(value, method.Name) is TemplateMacro kept)
                    return Invoke(kept, Called(method.Name, call.Arguments, scope));
                return TemplateMethods.Call(value, Called(method.Name, call.Arguments, scope));
            case NameExpression { Name: var name }:
                if (!scope.TryFind(name, out _))
                    return TemplateFunctions.Call(Called(name, call.Arguments, scope), clock);
                return Find(name, scope) is TemplateMacro macro
                    ? Invoke(macro, Called(name, call.Arguments, scope))
                    : throw new TemplateException($"'{name}' is {TemplateValues.Kind(Find(name, scope))}, which cannot be called.");
            default:
                throw new TemplateException("only macros, methods and the known functions can be called.");
        }
    }

    private MarkedText Invoke(TemplateMacro macro, TemplateCall arguments)
    {
        var node = macro.Node;
        if (++calls > DeepestCall)
            throw new TemplateException($"macros call each other more than {DeepestCall} deep.");
        arguments.Takes(0, [.. node.Parameters.Select(parameter => parameter.Name)]);
        var scope = new TemplateScope(macro.Scope);
        for (var index = 0; index < node.Parameters.Count; index++)
        {
            var (name, otherwise) = node.Parameters[index];
            scope.Set(name, arguments.Has(index, name) ? arguments.Get(index, name)
                : otherwise is null ? new TemplateUndefined(name)
                : otherwise is ConstantExpression constant ? constant.Value
                : otherwise.Calls ? Evaluate(otherwise, scope) : new TemplateDefault(otherwise, scope));
        }
        var before = line;
        var text = Captured(node.Body, scope, out _);
        line = before;
        calls--;
        return text;
    }

    /// <summary>The default of a parameter, which is worked out when it is first asked for: a long one that is not used costs nothing.</summary>
    private sealed class TemplateDefault(TemplateExpression expression, TemplateScope scope)
    {
        private TemplateExpression? waiting = expression;
        private object? value;

        internal object? Value(TemplateRenderer renderer)
        {
            if (waiting is { } expression)
            {
                waiting = null;
                value = renderer.Evaluate(expression, scope);
            }
            return value;
        }
    }
}
