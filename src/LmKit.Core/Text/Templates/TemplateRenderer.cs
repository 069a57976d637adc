namespace LmKit;

/// <summary>Runs a parsed template within its budget.</summary>
internal sealed partial class TemplateRenderer(Func<DateTimeOffset> clock, TemplateBudget budget)
{
    private readonly TemplateScope globals = new(null);
    private readonly List<Range> generated = [];
    private List<MarkedText> output = [];
    private int written;
    private int captures; // how many macros and set blocks are being written
    private int line;

    private enum Flow
    {
        Next,
        Break,
        Continue,
    }

    internal RenderedChat Render(IReadOnlyList<TemplateNode> nodes, IReadOnlyDictionary<string, object?> variables)
    {
        foreach (var (name, value) in variables)
            globals.Set(name, value);
        try
        {
            _ = Run(nodes, new TemplateScope(globals));
            return new RenderedChat(MarkedText.Runs(output, budget), generated);
        }
        catch (TemplateException error)
        {
            throw new TemplateException($"line {line}: {error.Message}", error.InnerException);
        }
        catch (OverflowException error)
        {
            throw new TemplateException($"line {line}: a whole number has 64 bits at most.", error);
        }
        catch (InsufficientExecutionStackException error)
        {
            throw new TemplateException($"line {line}: the template runs deeper than this thread's stack allows.", error);
        }
    }

    private void Write(MarkedText text)
    {
        if (text.Length == 0)
            return;
        if (written + text.Length > TemplateBudget.LongestText)
            throw new TemplateException($"the template writes more than {TemplateBudget.LongestText} characters.");
        written += text.Length;
        budget.Memory(8);
        output.Add(text);
    }

    private Flow Run(IReadOnlyList<TemplateNode> nodes, TemplateScope scope)
    {
        budget.Enter();
        var flow = Flow.Next;
        for (var index = 0; index < nodes.Count && flow == Flow.Next; index++)
        {
            budget.Step();
            line = nodes[index].Line;
            flow = Run(nodes[index], scope);
        }
        budget.Leave();
        return flow;
    }

    private Flow Run(TemplateNode node, TemplateScope scope)
    {
        switch (node)
        {
            case TextNode text:
                Write(text.Text);
                return Flow.Next;
            case OutputNode value:
                Write(TemplatePrinting.Text(Evaluate(value.Value, scope), budget));
                return Flow.Next;
            case IfNode branches:
                return Run(Chosen(branches, scope), scope);
            case ForNode loop:
                return Loop(loop, scope);
            case SetNode set:
                Assign(set, scope);
                return Flow.Next;
            case SetBlockNode set:
                var text1 = Captured(set.Body, scope, out var flow);
                if (flow == Flow.Next)
                    scope.Set(set.Target, text1);
                return flow;
            case MacroNode macro:
                scope.Set(macro.Name, new TemplateMacro(macro, scope));
                return Flow.Next;
            case GenerationNode generation:
                return Generation(generation, scope);
            default:
                return node is BreakNode ? Flow.Break : Flow.Continue;
        }
    }

    private IReadOnlyList<TemplateNode> Chosen(IfNode branches, TemplateScope scope)
    {
        foreach (var (test, body) in branches.Branches)
        {
            if (TemplateValues.IsTrue(Evaluate(test, scope)))
                return body;
        }
        return branches.Otherwise;
    }

    private Flow Generation(GenerationNode generation, TemplateScope scope)
    {
        if (captures > 0)
            throw new TemplateException("a generation block stands in a macro or set block, where its place in the text is not known; write it outside.");
        var start = written;
        var flow = Run(generation.Body, scope);
        generated.Add(start..written);
        return flow;
    }

    // What a set block or macro writes, which counts as written when it is.
    private MarkedText Captured(IReadOnlyList<TemplateNode> body, TemplateScope scope, out Flow flow)
    {
        var (outer, before) = (output, written);
        (output, written) = ([], 0);
        captures++;
        flow = Run(body, scope);
        captures--;
        var text = MarkedText.Join(output, budget);
        (output, written) = (outer, before);
        return text;
    }

    private Flow Loop(ForNode loop, TemplateScope outer)
    {
        var all = TemplateValues.Items(Evaluate(loop.Items, outer), budget);
        var items = loop.Filter is null ? all : Kept(loop, loop.Filter, all, outer);
        if (items.Count == 0)
            return Run(loop.Otherwise, outer);
        var memory = new TemplateLoopMemory();
        for (var index = 0; index < items.Count; index++)
        {
            budget.Step();
            line = loop.Line;
            var scope = Bound(loop.Targets, items[index], outer);
            scope.Set("loop", new TemplateLoop(items, index, memory));
            if (Run(loop.Body, scope) == Flow.Break)
                break;
        }
        return Flow.Next;
    }

    private List<object?> Kept(ForNode loop, TemplateExpression filter, IReadOnlyList<object?> all, TemplateScope outer)
    {
        var items = new List<object?>();
        foreach (var item in all)
        {
            budget.Step();
            if (TemplateValues.IsTrue(Evaluate(filter, Bound(loop.Targets, item, outer))))
                items.Add(item);
        }
        budget.Items(items.Count, 16);
        return items;
    }

    private TemplateScope Bound(IReadOnlyList<string> names, object? value, TemplateScope outer)
    {
        var scope = new TemplateScope(outer);
        Set(names, value, scope);
        return scope;
    }

    private void Set(IReadOnlyList<string> names, object? value, TemplateScope scope)
    {
        if (names.Count == 1)
        {
            scope.Set(names[0], value);
            return;
        }
        var parts = TemplateValues.Items(value, budget);
        if (parts.Count != names.Count)
            throw new TemplateException($"{parts.Count} values for the {names.Count} names {string.Join(", ", names.Take(10))}.");
        budget.Step(names.Count);
        for (var index = 0; index < names.Count; index++)
            scope.Set(names[index], parts[index]);
    }

    private void Assign(SetNode set, TemplateScope scope)
    {
        var value = Evaluate(set.Value, scope);
        if (set.Member is null)
        {
            Set(set.Targets, value, scope);
            return;
        }
        if (!scope.TryFind(set.Targets[0], out var found) || found is not TemplateNamespace space)
            throw new TemplateException($"'{set.Targets[0]}' is no namespace, so '{set.Member}' of it cannot be set.");
        space.Members.Set(MarkedText.Of(set.Member, false), value, budget);
    }
}
