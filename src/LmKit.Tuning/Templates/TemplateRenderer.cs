using System.Runtime.CompilerServices;

namespace LmKit;

/// <summary>Runs a parsed template within limits of steps, nesting and output.</summary>
internal sealed class TemplateRenderer(Func<DateTimeOffset> clock)
{
    private const int MostSteps = 1_000_000;
    private const int DeepestCall = 100;
    private const int LongestRange = 10_000;

    private readonly TemplateScope globals = new(null);
    private readonly List<(int Start, int End)> generated = [];
    private List<MarkedText> output = [];
    private long written;
    private int steps;
    private int calls;

    private enum Flow
    {
        Next,
        Break,
        Continue,
    }

    internal IReadOnlyList<(int Start, int End)> Generated => generated;

    internal MarkedText Render(IReadOnlyList<TemplateNode> nodes, IReadOnlyDictionary<string, object?> variables)
    {
        foreach (var (name, value) in variables)
            globals[name] = value;
        try
        {
            _ = Run(nodes, new TemplateScope(globals));
        }
        catch (Exception error) when (error is OverflowException or DivideByZeroException or InvalidCastException or InsufficientExecutionStackException or OutOfMemoryException or ArgumentException)
        {
            throw new TemplateException($"The template failed: {error.Message}", error);
        }
        return MarkedText.Join([MarkedText.Empty, .. output]);
    }

    private void Step()
    {
        RuntimeHelpers.EnsureSufficientExecutionStack();
        if (++steps > MostSteps)
            throw new TemplateException($"The template takes more than {MostSteps} steps.");
    }

    private void Write(MarkedText text)
    {
        written += text.Length;
        if (written > MarkedText.LongestText)
            throw new TemplateException($"The template writes more than {MarkedText.LongestText} characters.");
        output.Add(text);
    }

    private Flow Run(IReadOnlyList<TemplateNode> nodes, TemplateScope scope)
    {
        foreach (var node in nodes)
        {
            Step();
            var flow = Run(node, scope);
            if (flow != Flow.Next)
                return flow;
        }
        return Flow.Next;
    }

    private Flow Run(TemplateNode node, TemplateScope scope)
    {
        switch (node)
        {
            case TextNode text:
                Write(text.Text);
                return Flow.Next;
            case OutputNode value:
                Write(TemplateValues.Text(Evaluate(value.Value, scope)));
                return Flow.Next;
            case IfNode branches:
                return Run(branches.Branches.FirstOrDefault(branch => TemplateValues.IsTrue(Evaluate(branch.Test, scope))).Body ?? branches.Otherwise, scope);
            case ForNode loop:
                Loop(loop, scope);
                return Flow.Next;
            case SetNode set:
                Assign(set, scope);
                return Flow.Next;
            case SetBlockNode set:
                scope[set.Target] = Captured(set.Body, scope);
                return Flow.Next;
            case MacroNode macro:
                scope[macro.Name] = macro;
                return Flow.Next;
            case GenerationNode generation:
                var start = output.Sum(part => part.Length);
                var flow = Run(generation.Body, scope);
                generated.Add((start, output.Sum(part => part.Length)));
                return flow;
            default:
                return node is BreakNode ? Flow.Break : Flow.Continue;
        }
    }

    private MarkedText Captured(IReadOnlyList<TemplateNode> body, TemplateScope scope)
    {
        var outer = output;
        output = [];
        _ = Run(body, scope);
        var text = MarkedText.Join([MarkedText.Empty, .. output]);
        output = outer;
        return text;
    }

    private void Loop(ForNode loop, TemplateScope outer)
    {
        var items = new List<object?>();
        foreach (var item in TemplateValues.Items(Evaluate(loop.Items, outer)))
        {
            Step();
            if (loop.Filter is null || TemplateValues.IsTrue(Evaluate(loop.Filter, Bound(loop.Targets, item, outer))))
                items.Add(item);
        }
        if (items.Count == 0)
            _ = Run(loop.Otherwise, outer);
        for (var index = 0; index < items.Count; index++)
        {
            Step();
            var scope = Bound(loop.Targets, items[index], outer);
            scope["loop"] = LoopValue(items, index);
            if (Run(loop.Body, scope) == Flow.Break)
                break;
        }
    }

    private static Dictionary<string, object?> LoopValue(List<object?> items, int index) => new(StringComparer.Ordinal)
    {
        ["index"] = index + 1L,
        ["index0"] = (long)index,
        ["first"] = index == 0,
        ["last"] = index == items.Count - 1,
        ["length"] = (long)items.Count,
        ["revindex"] = (long)(items.Count - index),
        ["revindex0"] = (long)(items.Count - index - 1),
        ["previtem"] = index > 0 ? items[index - 1] : new TemplateUndefined("previtem"),
        ["nextitem"] = index + 1 < items.Count ? items[index + 1] : new TemplateUndefined("nextitem"),
    };

    private static TemplateScope Bound(IReadOnlyList<string> names, object? value, TemplateScope outer)
    {
        var scope = new TemplateScope(outer);
        if (names.Count == 1)
        {
            scope[names[0]] = value;
            return scope;
        }
        var parts = Parts(names, value);
        for (var index = 0; index < names.Count; index++)
            scope[names[index]] = parts[index];
        return scope;
    }

    private static IReadOnlyList<object?> Parts(IReadOnlyList<string> names, object? value)
    {
        var parts = TemplateValues.Items(value);
        return parts.Count == names.Count ? parts : throw new TemplateException($"{parts.Count} values for the {names.Count} names {string.Join(", ", names)}.");
    }

    private void Assign(SetNode set, TemplateScope scope)
    {
        var value = Evaluate(set.Value, scope);
        if (set.Member is not null)
        {
            if (scope.Find(set.Targets[0]) is not TemplateNamespace space)
                throw new TemplateException($"'{set.Targets[0]}' is no namespace, so '{set.Member}' of it cannot be set.");
            space.Members[set.Member] = value;
        }
        else if (set.Targets.Count == 1)
        {
            scope[set.Targets[0]] = value;
        }
        else
        {
            foreach (var (name, part) in set.Targets.Zip(Parts(set.Targets, value)))
                scope[name] = part;
        }
    }

    private object? Evaluate(TemplateExpression expression, TemplateScope scope)
    {
        Step();
        switch (expression)
        {
            case ConstantExpression constant:
                return constant.Value;
            case NameExpression name:
                return scope.Find(name.Name);
            case ListExpression list:
                return list.Items.Select(item => Evaluate(item, scope)).ToList();
            case DictionaryExpression members:
                return members.Items.ToDictionary(item => TemplateValues.Text(Evaluate(item.Key, scope)).Text, item => Evaluate(item.Value, scope), StringComparer.Ordinal);
            case ConditionalExpression choice:
                return TemplateValues.IsTrue(Evaluate(choice.Test, scope)) ? Evaluate(choice.Value, scope)
                    : choice.Otherwise is null ? new TemplateUndefined("else") : Evaluate(choice.Otherwise, scope);
            case UnaryExpression { Operator: "not" } not:
                return !TemplateValues.IsTrue(Evaluate(not.Value, scope));
            case UnaryExpression sign:
                var number = Evaluate(sign.Value, scope);
                return sign.Operator == "+" ? number : TemplateArithmetic.Apply("-", 0L, number);
            case BinaryExpression { Operator: "and" or "or" } both:
                var left = Evaluate(both.Left, scope);
                return TemplateValues.IsTrue(left) == (both.Operator == "and") ? Evaluate(both.Right, scope) : left;
            case BinaryExpression binary:
                return TemplateArithmetic.Apply(binary.Operator, Evaluate(binary.Left, scope), Evaluate(binary.Right, scope));
            case MemberExpression member:
                return TemplateFilters.Member(Evaluate(member.Value, scope), member.Name);
            case IndexExpression index:
                return TemplateIndexing.At(Evaluate(index.Value, scope), Evaluate(index.Index, scope));
            case SliceExpression slice:
                return TemplateIndexing.Slice(Evaluate(slice.Value, scope), Part(slice.Start), Part(slice.Stop), Part(slice.Step));
            case FilterExpression filter:
                return TemplateFilters.Apply(Evaluate(filter.Value, scope), Called(filter.Name, filter.Arguments, scope));
            case TestExpression test:
                return TemplateTests.Holds(Evaluate(test.Value, scope), Called(test.Name, test.Arguments, scope)) != test.IsNegated;
            default:
                return Call((CallExpression)expression, scope);
        }

        long? Part(TemplateExpression? part) => part is null || Evaluate(part, scope) is not { } value ? null : TemplateValues.Whole(value);
    }

    private TemplateCall Called(string name, TemplateArguments arguments, TemplateScope scope) => new(
        name,
        [.. arguments.Positional.Select(argument => Evaluate(argument, scope))],
        arguments.Named.ToDictionary(argument => argument.Name, argument => Evaluate(argument.Value, scope), StringComparer.Ordinal));

    private object? Call(CallExpression call, TemplateScope scope)
    {
        if (call.Callee is MemberExpression method)
            return TemplateMethods.Call(Evaluate(method.Value, scope), Called(method.Name, call.Arguments, scope));
        if (call.Callee is not NameExpression { Name: var name })
            throw new TemplateException("only macros, methods and the known functions can be called.");
        var arguments = Called(name, call.Arguments, scope);
        if (scope.Find(name) is MacroNode macro)
            return Invoke(macro, arguments);
        return name switch
        {
            "raise_exception" => throw new TemplateException(arguments.Text(0, "message", "the template refuses its messages")),
            "namespace" => new TemplateNamespace(arguments.Named.ToDictionary(StringComparer.Ordinal)),
            "dict" => arguments.Named.ToDictionary(StringComparer.Ordinal),
            "range" => Range(arguments),
            "strftime_now" => MarkedText.Trusted(TemplateClock.Format(clock(), arguments.Text(0, "format", "%Y-%m-%d"))),
            _ => throw new TemplateException($"the function '{name}' is not known."),
        };
    }

    private MarkedText Invoke(MacroNode macro, TemplateCall arguments)
    {
        if (++calls > DeepestCall)
            throw new TemplateException($"Macros call each other more than {DeepestCall} deep.");
        var scope = new TemplateScope(globals);
        scope[macro.Name] = macro;
        for (var index = 0; index < macro.Parameters.Count; index++)
        {
            var (name, otherwise) = macro.Parameters[index];
            scope[name] = index < arguments.Positional.Count || arguments.Named.ContainsKey(name)
                ? arguments.Get(index, name)
                : otherwise is null ? new TemplateUndefined(name) : Evaluate(otherwise, scope);
        }
        var text = Captured(macro.Body, scope);
        calls--;
        return text;
    }

    private static List<object?> Range(TemplateCall call)
    {
        var bounds = call.Positional.Select(TemplateValues.Whole).ToArray();
        var (start, stop, step) = bounds.Length switch { 1 => (0, bounds[0], 1), 2 => (bounds[0], bounds[1], 1), 3 => (bounds[0], bounds[1], bounds[2]), _ => throw new TemplateException("range takes one to three numbers.") };
        var items = new List<object?>();
        for (var value = start; step > 0 ? value < stop : step < 0 ? value > stop : throw new TemplateException("range needs a step."); value += step)
        {
            items.Add(value);
            if (items.Count > LongestRange)
                throw new TemplateException($"a range may have {LongestRange} items.");
        }
        return items;
    }
}
